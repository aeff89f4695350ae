"""The shortest run there is: one task that tells when its first line ran. Deployed for the time of a benchmark."""

from __future__ import annotations

import time

from airflow.sdk import DAG, task

with DAG(dag_id="benchmark_first_task", schedule=None, catchup=False, tags=["benchmark"], doc_md=__doc__):

    @task(retries=0)
    def tell_time() -> float:
        return time.time()

    tell_time()
