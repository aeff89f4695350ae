"""What all DAGs have in common."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import TimeRestriction

from quintet.airflow.defaults import at_times


@pytest.mark.parametrize("ago", [timedelta(minutes=1), timedelta(minutes=4), timedelta(hours=2), timedelta(days=3)])
def test_a_dag_that_is_switched_on_after_its_weekly_time_waits_for_the_next(ago: timedelta) -> None:
    now = datetime.now(UTC)
    last = now - ago
    cron = f"{last.minute} {last.hour} * * {last.isoweekday() % 7}"
    # As the scheduler has it.
    timetable = decode_timetable(json.loads(json.dumps(encode_timetable(at_times(cron)))))
    first = timetable.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(earliest=None, latest=None, catchup=False)
    )
    assert first is not None
    assert first.run_after > now
    assert first.run_after - now > timedelta(days=3)
