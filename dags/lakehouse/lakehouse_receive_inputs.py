"""Start the pipeline for each folder that somebody has announced in Kafka.

## Reads

The topic `lakehouse.inputs.announced`, from the place where the run before has left it: a folder, its sender, the time.

## Writes

Runs of `lakehouse_run_pipeline`, one for each announcement, which go one after the other; the place in the topic.
Records that cannot be read go to the dead letters of the topic, with an alert.

## Cadence

In a lab with the profile streaming: a few seconds after a record, and every quarter of an hour for one that Airflow did
not hear. While Kafka is away nothing starts; what is announced when it is back does. In other labs by hand only, and
then it says what is missing.

## Rerun

Any task, any time: an announcement that was taken is found by the id of its run and skipped. To take one again, clear
its run of the pipeline, or announce the folder with `--again`.

## Triage

- `read` fails: Kafka or the registry does not answer (`quintet doctor`). The next run reads the same.
- `start` fails: Airflow refused a run; the place stays, and the next run tries again.
- `refuse` fails: it names folder, sender and what is wrong. Tell the sender; the others have been started.
- An alert names dead letters: `quintet deadletters list lakehouse` says which records and why.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import dag_defaults
from quintet.airflow.inputs import announcements, receive
from quintet.airflow.lakehouse import OWNER, SLUG

with DAG(
    dag_id="lakehouse_receive_inputs",
    description="Start the pipeline for each folder that is announced in Kafka",
    schedule=announcements(),
    is_paused_upon_creation=False,
    doc_md=__doc__,
    **dag_defaults(SLUG, "pipeline", owner=OWNER, ends_within=timedelta(minutes=10)),
):
    receive()
