"""The ledger of deployments: every generation of every job, in the lab's PostgreSQL (`lake`, schema `platform`).

A generation is one submission of one version from one state. Its row is written before the submission, with the id that
the job will have: whoever finds the row asks the cluster for that id, and so knows whether the submission happened,
also after a kill between the two. The row holds the whole definition, so that an older version can be started when its
files are long gone, and what the cluster forgets with its JobManager: which job should run, and from where.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from quintet.errors import LabError
from quintet.postgres import connect
from quintet.settings import Lab

__all__ = ["FAILED", "RUNNING", "STARTING", "STOPPED", "STOPPING", "Generation", "Ledger", "job_id_of"]

#: Phases of a generation.
STARTING, RUNNING, STOPPING, STOPPED, FAILED = "starting", "running", "stopping", "stopped", "failed"

#: Seconds that a deployment waits for another one of the same job to take its step.
LOCK_SECONDS = 120
#: Class of the advisory locks, so that they are not those of somebody else.
_LOCKS = 0x0F11

_SCHEMA = """
create schema if not exists platform;
create table if not exists platform.flink_generations (
  job text not null, number integer not null, job_id text not null unique, version text not null,
  definition jsonb not null, topology jsonb, reason text not null, attempt text not null,
  started_from text, phase text not null, trigger_id text, savepoint text, error text,
  requested_at timestamptz not null default now(), submitted_at timestamptz, running_at timestamptz,
  ended_at timestamptz, primary key (job, number));
comment on table platform.flink_generations is 'Submissions of Flink jobs: version, state they began from, outcome';
"""
_COLUMNS = (
    "job, number, job_id, version, definition, topology, reason, attempt, started_from, phase, trigger_id, savepoint, "
    "error, requested_at, submitted_at, running_at, ended_at"
)
_MAY_CHANGE = frozenset(
    {"topology", "phase", "trigger_id", "savepoint", "error", "submitted_at", "running_at", "ended_at"}
)


@dataclass(frozen=True)
class Generation:
    """One submission of one version.

    `phase` is starting (written down, perhaps submitted, no checkpoint yet), running, stopping (a savepoint is being
    taken), stopped (with `savepoint`, or without where none was wanted) or failed (with `error`). `attempt` names the
    deployment that asked for it, `started_from` is the savepoint or checkpoint it began with; None: without state.
    """

    job: str
    number: int
    job_id: str
    version: str
    definition: Mapping[str, Any]
    topology: Any
    reason: str
    attempt: str
    started_from: str | None
    phase: str
    #: The savepoint that ends it, by the name it was asked for with.
    trigger_id: str | None
    savepoint: str | None
    error: str | None
    requested_at: datetime
    submitted_at: datetime | None
    running_at: datetime | None
    ended_at: datetime | None


def job_id_of(job: str, number: int, lab_name: str) -> str:
    """Id of a generation in the cluster, 32 hexadecimal digits: the cluster takes each id once."""
    return hashlib.md5(f"{lab_name} {job} {number}".encode(), usedforsecurity=False).hexdigest()


class Ledger:
    """The table, over one connection. Every method raises ServiceDownError when PostgreSQL does not answer."""

    def __init__(self, lab: Lab) -> None:
        self._lab_name = str(lab.path("home"))
        self._connection = connect(lab, "lake", program="quintet-flink", autocommit=True)
        with self._connection.cursor() as cursor:
            cursor.execute("select to_regclass('platform.flink_generations')")
            row = cursor.fetchone()
            if row is None or row[0] is None:
                # Two that come first at the same time would both make it.
                cursor.execute("select pg_advisory_lock(%s, 0)", (_LOCKS,))
                cursor.execute(_SCHEMA)
                cursor.execute("select pg_advisory_unlock(%s, 0)", (_LOCKS,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @contextmanager
    def locked(self, job: str) -> Iterator[None]:
        """Only one deployment of a job takes a step at a time. Raises LabError when another one does not end."""
        with self._connection.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, false)", (f"{LOCK_SECONDS}s",))
            try:
                cursor.execute("select pg_advisory_lock(%s, hashtext(%s))", (_LOCKS, job))
            except psycopg.errors.LockNotAvailable as error:
                raise LabError(
                    f"another deployment of {job} has been taking a step for {LOCK_SECONDS} s",
                    remedy="Look for it in Airflow; then start this one again",
                ) from error
            try:
                yield
            finally:
                cursor.execute("select pg_advisory_unlock(%s, hashtext(%s))", (_LOCKS, job))

    def latest(self, job: str) -> Generation | None:
        """The last generation of a job."""
        return next(iter(self.history(job, limit=1)), None)

    def history(self, job: str, *, limit: int = 50) -> list[Generation]:
        """Generations of a job, newest first."""
        return self._select("where job = %s order by number desc limit %s", (job, limit))

    def current(self, which: str | None = None) -> list[Generation]:
        """The last generation of every job, of those of one project (its slug), or of one job."""
        return self._select(
            "where (job, number) in (select job, max(number) from platform.flink_generations group by job) "
            "and (%s::text is null or job = %s or split_part(job, '/', 1) = %s) order by job",
            (which, which, which),
        )

    def begin(
        self,
        job: str,
        *,
        version: str,
        definition: Mapping[str, Any],
        reason: str,
        attempt: str,
        started_from: str | None,
    ) -> Generation:
        """Write the next generation down, before it is submitted."""
        with self._connection.cursor() as cursor:
            cursor.execute("select coalesce(max(number), 0) + 1 from platform.flink_generations where job = %s", (job,))
            (number,) = cursor.fetchone() or (1,)
            cursor.execute(
                "insert into platform.flink_generations "
                "(job, number, job_id, version, definition, reason, attempt, started_from, phase) "
                "values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    job,
                    number,
                    job_id_of(job, number, self._lab_name),
                    version,
                    Jsonb(dict(definition)),
                    reason,
                    attempt,
                    started_from,
                    STARTING,
                ),
            )
        found = self.latest(job)
        assert found is not None  # noqa: S101  # it was written above, under the job's lock
        return found

    def change(self, generation: Generation, **values: Any) -> Generation:
        """Write what has become of a generation, and read it back."""
        unknown = set(values) - _MAY_CHANGE
        if unknown:
            raise ValueError(f"these columns of a generation stay as they are: {sorted(unknown)}")
        given = {name: Jsonb(value) if name == "topology" else value for name, value in values.items()}
        columns = ", ".join(f"{name} = %({name})s" for name in given)
        with self._connection.cursor() as cursor:
            cursor.execute(
                f"update platform.flink_generations set {columns} where job = %(job)s and number = %(number)s",
                {**given, "job": generation.job, "number": generation.number},
            )
        (found,) = self._select("where job = %s and number = %s", (generation.job, generation.number))
        return found

    def _select(self, clause: str, parameters: tuple[Any, ...]) -> list[Generation]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(f"select {_COLUMNS} from platform.flink_generations {clause}", parameters)
            return [Generation(**row) for row in cursor.fetchall()]
