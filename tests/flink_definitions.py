"""Builder of a job's definition, for tests that need no files."""

from __future__ import annotations

from quintet.flink.definition import JobDefinition, Thresholds

__all__ = ["make_definition"]


def make_definition(name: str, *, insert: str = "INSERT INTO b SELECT n FROM a", **more: object) -> JobDefinition:
    values = {
        "slug": "lakehouse",
        "name": name,
        "description": "Numbers",
        "owner": "somebody",
        "sources": ("t",),
        "sinks": ("b",),
        "compatibility": "none",
        "statements": ("CREATE TEMPORARY TABLE a (n INT) WITH ('s' = '{{ kafka.servers }}')", insert),
        "alerts": Thresholds(),
    }
    return JobDefinition(**{**values, **more})  # type: ignore[arg-type]
