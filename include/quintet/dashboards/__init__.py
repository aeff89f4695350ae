"""Dashboards as code: the folder `dashboards/` of a release, put into the lab's Superset and asked there.

`declared` reads the folder and packs it as Superset imports it, `queries` says what a chart asks, `server` is the
client of its REST interface, `publish` brings both together, `check` proves that dashboards can be used. `users` alone
needs Superset itself: it runs in its environment.
"""
