"""Care for the Iceberg tables that a stream writes, by Trino, while it writes them.

Every commit of an upserting stream brings a small data file and a file of deleted keys, which a reader must compare
with all rows that are older: reading slows down with every checkpoint. `optimize` writes the rows anew without the
deleted ones. It commits as of the snapshot that it read, so that what the stream deletes meanwhile is still deleted;
whether the rows stayed the same is therefore asked of two snapshots, not of the table before and after.

A table that only grows says in the catalogue how long its rows are kept; older ones are removed first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import trino

from quintet.catalogue import Layer, Retention, Table, Writer, tables
from quintet.errors import LabError, ServiceDownError
from quintet.lake.errors import CareError
from quintet.lake.icebergcare import checksum_statement, expire, measure, meta
from quintet.lake.trino import connect, query
from quintet.lake.upkeep import Care, Round
from quintet.runs import record
from quintet.settings import lab_of

__all__ = ["RECORD", "RETENTION", "care_for_stream", "care_streams", "stream_tables"]

#: How long every version of such a table can be read: a stream makes thousands of them a day.
RETENTION = timedelta(hours=24)
#: Name of the record that keeps the result.
RECORD = "care_streams"
#: Files of deletions, or small data files, from which on a table is written anew.
DELETE_FILES, SMALL_FILES = 4, 16
#: Data files below this size are joined.
SMALL_BYTES = 64 * 1024 * 1024
#: Tries when the stream's commit was faster.
TRIES = 3


def care_streams(project: str, *, retention_hours: float | None = None, lab_file: str | None = None) -> dict[str, Any]:
    """Bring the tables that streams of a project write into shape; a table that nobody has made yet is left out.

    Returns {"project", "at", "changed": names, "tables": a row a table as `Care` gives it, "errors"}.

    Raises:
        ServiceDownError: Trino does not answer.
        LabError: tables that could not be cared for; the others are in shape.

    """
    lab = lab_of(lab_file)
    retention = RETENTION if retention_hours is None else timedelta(hours=retention_hours)
    work = Round()
    connection = connect(lab)
    try:
        made = _made(connection, stream_tables(project))
        work.do(
            made,
            lambda table: care_for_stream(connection, table.full_name, retention=retention, rows=table.retention),
        )
    finally:
        connection.close()
    result = work.result(project)
    record.write(lab, project, RECORD, result)
    work.end()
    return result


def stream_tables(project: str | None = None) -> tuple[Table, ...]:
    """Tables of the lake that streams write."""
    return tuple(table for table in tables(project) if table.writer is Writer.FLINK and table.layer is not Layer.LIVE)


def care_for_stream(
    connection: trino.dbapi.Connection, name: str, *, retention: timedelta = RETENTION, rows: Retention | None = None
) -> Care:
    """Bring one table (catalog.schema.table) into shape; `rows` says which of them are too old.

    Raises:
        ServiceDownError: Trino does not answer.
        LabError: Trino refused a step, or the stream was faster three times.
        CareError: the rows of the snapshot after differ from those of the one before.

    """
    before = measure(connection, name)
    done = []
    if rows and (old := _remove_old(connection, name, rows)):
        done.append(f"removed {old} rows older than {rows.days} days")
    if _wants_optimize(connection, name):
        _optimize(connection, name)
        done.append("compact")
    expired = expire(connection, name, retention, below_minimum=True)
    if expired:
        done.append(f"expired {expired} snapshots")
    return Care(name, before, measure(connection, name) if done else before, tuple(done))


def _made(connection: trino.dbapi.Connection, wanted: Sequence[Table]) -> list[Table]:
    found: set[str] = set()
    for schema in sorted({table.schema for table in wanted}):
        listing = f"SELECT table_name FROM iceberg.information_schema.tables WHERE table_schema = '{schema}'"
        found |= {f"iceberg.{schema}.{row[0]}" for row in query(connection, listing)}
    return [table for table in wanted if table.full_name in found]


def _remove_old(connection: trino.dbapi.Connection, name: str, rows: Retention) -> int:
    """Remove rows that are too old; how many there were."""
    old = f"{name} WHERE {rows.column} < current_timestamp - INTERVAL '{rows.days}' DAY"
    ((count,),) = query(connection, f"SELECT count(*) FROM {old}")
    if count:
        _try(lambda: query(connection, f"DELETE FROM {old}"))
    return int(count)


def _try(write: Callable[[], object]) -> None:
    """Write; the stream's commit may come first some times."""
    for attempt in range(1, TRIES + 1):
        try:
            write()
            return
        except ServiceDownError:
            raise
        except LabError:
            if attempt == TRIES:
                raise


def _wants_optimize(connection: trino.dbapi.Connection, name: str) -> bool:
    (counts,) = query(
        connection,
        f"SELECT count_if(content <> 0), count_if(content = 0 AND file_size_in_bytes < {SMALL_BYTES}) "
        f"FROM {meta(name, 'files')}",
    )
    return bool(counts[0] >= DELETE_FILES or counts[1] >= SMALL_FILES)


def _optimize(connection: trino.dbapi.Connection, name: str) -> None:
    known = _snapshots(connection, name)
    # Below any size: a large file with deletions is written anew, too.
    _try(lambda: query(connection, f"ALTER TABLE {name} EXECUTE optimize(file_size_threshold => '100GB')"))
    for snapshot, (parent, operation) in _snapshots(connection, name).items():
        if snapshot not in known and operation == "replace" and parent is not None:
            _compare(connection, name, parent, snapshot)


def _compare(connection: trino.dbapi.Connection, name: str, before: int, after: int) -> None:
    scan = checksum_statement(connection, name)
    contents = [query(connection, f"{scan} FOR VERSION AS OF {version}")[0] for version in (before, after)]
    if contents[0] != contents[1]:
        raise CareError(
            f"compaction of {name} changed its rows: {contents[0][0]} rows ({contents[0][1]}) in snapshot {before}, "
            f"{contents[1][0]} rows ({contents[1][1]}) in snapshot {after}",
            remedy=f"Stop the stream and roll the table back to {before}: quintet restore, or Trino's "
            "rollback_to_snapshot",
        )


def _snapshots(connection: trino.dbapi.Connection, name: str) -> dict[int, tuple[int | None, str]]:
    rows = query(connection, f"SELECT snapshot_id, parent_id, operation FROM {meta(name, 'snapshots')}")
    return {row[0]: (row[1], row[2]) for row in rows}
