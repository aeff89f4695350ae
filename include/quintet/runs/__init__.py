"""Runs of projects: started through Airflow's API, followed, measured, recorded."""
