"""Airflow's environment first: see `airflow_home`."""

import airflow_home  # noqa: F401  # sets the environment before Airflow is imported
