"""What the platform adds to Airflow: operators, task groups, assets, callbacks, connections, the Lab page.

The only part of `quintet` that imports Airflow.
"""
