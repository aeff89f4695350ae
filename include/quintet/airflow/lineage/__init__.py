"""The page Lineage in Airflow, the door of the collector, and the way Airflow's own events take to it."""
