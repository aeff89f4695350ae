"""The page **Lab** in Airflow: services, projects, alerts, tables and links, for whoever may see the UI.

`state` asks the lab and makes plain values of the answers, `page.html` shows them, `application` holds the routes and
the rules of who may see what. Nothing here reads a secret.
"""
