"""Settings of topics as they are declared."""

from __future__ import annotations

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
from quintet.catalogue import Cleanup, Topic, topic, topics
from quintet.errors import QuintetError
from quintet.streams.topics import settings_of

HOUR = 3_600_000


def test_a_compacted_topic_keeps_deletions_for_a_week_and_is_not_compacted_at_once() -> None:
    found = settings_of(Topic("p", "p.a.b", "o", "d", cleanup=Cleanup.COMPACT, key=("id",)))
    assert found["cleanup.policy"] == "compact"
    assert (found["delete.retention.ms"], found["min.compaction.lag.ms"]) == (str(168 * HOUR), str(24 * HOUR))
    assert "retention.ms" not in found


def test_a_topic_of_events_goes_by_time() -> None:
    found = settings_of(Topic("p", "p.a.b", "o", "d", retention_hours=3))
    assert (found["cleanup.policy"], found["retention.ms"]) == ("delete", str(3 * HOUR))


def test_a_topic_whose_records_carry_another_time_goes_by_size_alone() -> None:
    found = settings_of(Topic("p", "p.a.b", "o", "d", retention_bytes=1000))
    assert (found["retention.ms"], found["retention.bytes"]) == ("-1", "1000")


def test_a_topic_is_named_by_project_and_its_dead_letters_by_it() -> None:
    for entry in topics():
        assert entry.name.startswith(f"{entry.project}.")
        assert entry.dead_letters == f"{entry.name}.dlq"
        assert entry.retention_hours is None or entry.cleanup is Cleanup.DELETE
        assert entry.key or entry.cleanup is Cleanup.DELETE, f"{entry.name}: a compacted topic has a key"


def test_an_unknown_topic_lists_what_there_is() -> None:
    with pytest.raises(QuintetError, match=r"Known topics: .*lakehouse\.orders\.changes"):
        topic("lakehouse.nothing.changes")
