"""Tasks that do nothing and need nothing, all at once. Deployed for the time of a benchmark."""

from __future__ import annotations

from airflow.sdk import DAG, task

TASKS = 60

with DAG(dag_id="benchmark_many_tasks", schedule=None, catchup=False, tags=["benchmark"], doc_md=__doc__):

    @task(retries=0)
    def do_nothing(number: int) -> None:
        """Return at once."""

    do_nothing.expand(number=list(range(TASKS)))
