"""Look at the time-series database and tell people before points are lost or refused.

## Reads

The service's figures (`/metrics`, `/ready`) and the age of the newest backup; the figures of the last look, from which
counters are counted.

## Writes

Alerts of the lab, each once: the log cannot be written, work in the background stands still, points are refused (too
many series, too old, broken), series or a disk come near their limit, the newest backup is old. An alert is closed by
the first look that finds it over.

## Cadence

Every ten minutes once it is switched on.

## Rerun

Any time: what is known is not told again.

## Triage

- `look` fails: the database does not answer. Run `quintet doctor`, read `quintet logs timeseries`.
- An alert of a source `watch.…`: its text says what to do; the rules are those of `quintet.timeseries.watchrules`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import at_times, dag_defaults
from quintet.airflow.timeseries import OWNER, SLUG, watch

with DAG(
    dag_id="timeseries_watch_store",
    description="Tell people before points are lost or refused",
    schedule=at_times("*/10 * * * *"),
    is_paused_upon_creation=True,
    doc_md=__doc__,
    **dag_defaults(SLUG, "care", owner=OWNER, ends_within=timedelta(minutes=10)),
):
    watch()
