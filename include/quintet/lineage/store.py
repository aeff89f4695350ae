"""The collector's tables in PostgreSQL: events in, lineage of now and of any time out.

An event is recorded once, however often it is sent. A job whose lineage changes gets a new version; the versions of
before keep the time in which they held.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from quintet.lineage.errors import LineageError
from quintet.lineage.events import Told, read_event
from quintet.lineage.model import Flow, Kind, Link
from quintet.postgres import connect
from quintet.settings import Lab

__all__ = ["Recorded", "Store", "Version"]

#: Name of the database, its owner, and the secret of its password after `postgres_`.
DATABASE = "lineage"
#: States after which what a run has done is known.
_DONE = {"COMPLETE", None}
_PATIENCE = 5


@dataclass(frozen=True)
class Recorded:
    """What became of events that were sent."""

    events: int
    known: int
    versions: int


@dataclass(frozen=True)
class Version:
    """One lineage of a job, and since when and until when it held."""

    job: str
    digest: str
    valid_from: datetime
    valid_to: datetime | None
    links: int


class Store:
    """The collector's database; each call is one transaction.

    Raises:
        ServiceDownError: of every call, when the database does not answer.

    """

    def __init__(self, enter: Callable[[], psycopg.Connection[Any]], lake: Path) -> None:
        self._enter, self._lake = enter, lake

    @classmethod
    def of_lab(cls, lab: Lab) -> Store:
        """The collector of a lab; it enters as the role that owns nothing but this database."""
        enter = partial(connect, lab, DATABASE, program="quintet lineage", patience=_PATIENCE)
        return cls(enter, lab.path("lake"))

    def prepare(self) -> bool:
        """Make the tables that are missing; True when there were none."""
        with self._open() as connection:
            # Two playbooks may come at a time; the lock ends with the transaction.
            connection.execute("select pg_advisory_xact_lock(hashtext('quintet lineage'))")
            missing = connection.execute("select to_regclass('dataset') is null").fetchone()
            connection.execute(Path(__file__).with_name("schema.sql").read_text(encoding="utf-8"))
        return bool(missing and missing[0])

    def record(self, events: Sequence[Any]) -> Recorded:
        """Record events, all or none of them.

        Raises:
            EventError: one of them is no OpenLineage event.

        """
        told = [(read_event(event, self._lake), event) for event in events]
        new = versions = 0
        with self._open() as connection:
            for entry, body in told:
                if not _insert_event(connection, entry, body):
                    continue
                new += 1
                _upsert_job(connection, entry)
                versions += _record_version(connection, entry)
        return Recorded(len(told), len(told) - new, versions)

    def flows(self, at: datetime | None = None) -> list[Flow]:
        """Lineage of every job, now or at a time."""
        when = "valid_to is null" if at is None else "valid_from <= %(at)s and (valid_to is null or valid_to > %(at)s)"
        with self._open(read_only=True) as connection:
            jobs = connection.execute(
                "select p.version, j.name, j.owner, j.description, j.opaque from period p join job j on j.name = p.job "
                f"where {when} order by j.name",
                {"at": at},
            ).fetchall()
            wanted = [row[0] for row in jobs]
            ends = _grouped(
                connection.execute("select version, direction, dataset from flow where version = any(%s)", [wanted])
            )
            links = _grouped(
                connection.execute(
                    "select version, source, source_column, target, target_column, kind "
                    "from link where version = any(%s)",
                    [wanted],
                )
            )
        return [
            Flow(
                job=name,
                inputs=tuple(sorted(dataset for direction, dataset in ends.get(version, []) if direction == "in")),
                outputs=tuple(sorted(dataset for direction, dataset in ends.get(version, []) if direction == "out")),
                links=tuple(
                    Link(source, column, target, target_column or None, Kind(kind))
                    for source, column, target, target_column, kind in sorted(links.get(version, []))
                ),
                description=description,
                owner=owner,
                opaque=opaque,
            )
            for version, name, owner, description, opaque in jobs
        ]

    def tasks(self) -> dict[str, list[tuple[str, str]]]:
        """DAG and task in which each job has run."""
        with self._open(read_only=True) as connection:
            return _grouped(connection.execute("select job, dag, task from job_task order by job, dag, task"))

    def written(self) -> dict[str, tuple[datetime, str, str]]:
        """For each data set: when it was last written, by which job, in which run."""
        with self._open(read_only=True) as connection:
            rows = connection.execute(
                "select name, last_written_at, last_job, last_run from dataset where last_written_at is not null"
            ).fetchall()
        return {name: (at, job, run or "") for name, at, job, run in rows}

    def versions(self, dataset: str) -> list[Version]:
        """Versions of the lineage of the jobs that write a data set, latest first."""
        with self._open(read_only=True) as connection:
            rows = connection.execute(
                "select p.job, v.digest, p.valid_from, p.valid_to, "
                "(select count(*) from link l where l.version = v.id and l.target = %(name)s) "
                "from period p join version v on v.id = p.version "
                "where exists "
                "(select from flow f where f.version = v.id and f.direction = 'out' and f.dataset = %(name)s) "
                "order by p.valid_from desc",
                {"name": dataset},
            ).fetchall()
        return [Version(*row) for row in rows]

    def events(self, job: str, limit: int = 20) -> list[dict[str, Any]]:
        """Latest events of a job, whole."""
        with self._open(read_only=True) as connection:
            rows = connection.execute("select body from event where job = %s order by at desc limit %s", [job, limit])
            return [body for (body,) in rows.fetchall()]

    def forget(self, before: datetime) -> int:
        """Remove events of before an instant; how many. Those that a version of a lineage began with stay.

        What is known by them stays in any case: jobs, versions and their times, data sets.
        """
        with self._open() as connection:
            done = connection.execute(
                "delete from event where at < %s and not exists (select from version v where v.first_event = event.id)",
                [before],
            )
        return int(done.rowcount)

    @contextmanager
    def _open(self, *, read_only: bool = False) -> Iterator[psycopg.Connection[Any]]:
        connection = self._enter()
        connection.read_only = read_only
        # Leaving the block commits, or takes back what an error has left, and closes.
        try:
            with connection:
                yield connection
        except psycopg.errors.UndefinedTable as error:
            raise LineageError("the lineage database has no tables yet", remedy="Run: make install") from error


def _insert_event(connection: psycopg.Connection[Any], told: Told, body: Any) -> bool:
    done = connection.execute(
        "insert into event (id, at, state, job, run_id, body) values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
        [told.id, told.at, told.state, told.flow.job, told.run_id, json.dumps(body)],
    )
    return bool(done.rowcount)


def _upsert_job(connection: psycopg.Connection[Any], told: Told) -> None:
    flow = told.flow
    connection.execute(
        "insert into job (name, engine, owner, description, first_seen, last_seen) "
        "values (%(job)s, %(engine)s, %(owner)s, %(description)s, %(at)s, %(at)s) "
        "on conflict (name) do update set last_seen = greatest(job.last_seen, excluded.last_seen), "
        "owner = coalesce(nullif(excluded.owner, ''), job.owner), "
        "description = coalesce(nullif(excluded.description, ''), job.description)",
        {"job": flow.job, "engine": flow.engine, "owner": flow.owner, "description": flow.description, "at": told.at},
    )
    if told.state is not None:
        connection.execute(
            "update job set last_run_at = %(at)s, last_state = %(state)s "
            "where name = %(job)s and (last_run_at is null or last_run_at <= %(at)s)",
            {"at": told.at, "state": told.state, "job": flow.job},
        )
    if told.parent:
        dag, _, task = told.parent.partition(".")
        connection.execute(
            "insert into job_task (job, dag, task, dag_run, last_seen) values (%s, %s, %s, %s, %s) "
            "on conflict (job, dag, task) do update set last_seen = excluded.last_seen, dag_run = excluded.dag_run",
            [flow.job, dag, task, told.parent_run or "", told.at],
        )


def _record_version(connection: psycopg.Connection[Any], told: Told) -> int:
    """Note what flows where; 1 when that is another lineage than the job had."""
    flow = told.flow
    if not flow.outputs or told.state not in _DONE:
        return 0
    _note_datasets(connection, told)
    # Events of one job are taken one after the other, whoever sends them.
    connection.execute("select from job where name = %s for update", [flow.job])
    now = connection.execute(
        "select v.digest, p.valid_from from period p join version v on v.id = p.version "
        "where p.job = %s and p.valid_to is null",
        [flow.job],
    ).fetchone()
    digest = flow.digest()
    if now is not None and (now[0] == digest or now[1] >= told.at):
        return 0  # the same, or told late: what is known is newer
    connection.execute("update job set opaque = %s where name = %s", [json.dumps(flow.opaque), flow.job])
    version = _version(connection, told, digest)
    connection.execute("update period set valid_to = %s where job = %s and valid_to is null", [told.at, flow.job])
    connection.execute(
        "insert into period (version, job, valid_from) values (%s, %s, %s)", [version, flow.job, told.at]
    )
    return 1


def _version(connection: psycopg.Connection[Any], told: Told, digest: str) -> int:
    flow = told.flow
    known = connection.execute("select id from version where job = %s and digest = %s", [flow.job, digest]).fetchone()
    if known:
        return int(known[0])
    made = connection.execute(
        "insert into version (job, digest, first_event) values (%s, %s, %s) returning id", [flow.job, digest, told.id]
    ).fetchone()
    assert made is not None  # noqa: S101  # an insert returns its row
    version = int(made[0])
    ends = [("in", name) for name in set(flow.inputs)] + [("out", name) for name in set(flow.outputs)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into flow (version, direction, dataset) values (%s, %s, %s)",
            [(version, direction, name) for direction, name in ends],
        )
        cursor.executemany(
            "insert into link (version, source, source_column, target, target_column, kind) "
            "values (%s, %s, %s, %s, %s, %s)",
            [
                (version, link.source, link.source_column, link.target, link.target_column or "", link.kind.value)
                for link in set(flow.links)
            ],
        )
    return version


def _note_datasets(connection: psycopg.Connection[Any], told: Told) -> None:
    flow = told.flow
    # In one order for everybody: two collectors never wait for each other.
    for name in sorted({*flow.inputs, *flow.outputs}):
        connection.execute(
            "insert into dataset (name, first_seen) values (%s, %s) on conflict do nothing", [name, told.at]
        )
    if told.state is not None:
        for name in sorted(set(flow.outputs)):
            connection.execute(
                "update dataset set last_written_at = %(at)s, last_job = %(job)s, last_run = %(run)s "
                "where name = %(name)s and (last_written_at is null or last_written_at <= %(at)s)",
                {"at": told.at, "job": flow.job, "run": told.parent_run or told.run_id, "name": name},
            )


def _grouped(rows: Iterable[Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for key, *rest in rows:
        found.setdefault(key, []).append(tuple(rest))
    return found
