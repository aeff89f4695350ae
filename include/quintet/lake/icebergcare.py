"""Care for one Iceberg table, by Trino: join files, expire snapshots, remove orphans, statistics.

A table of which nothing was written since it was last cared for is left alone: no snapshot, no statistics file.
"""

from __future__ import annotations

import statistics
import time
from datetime import timedelta

import trino

from quintet.catalogue import Writer, tables
from quintet.lake.trino import query
from quintet.lake.upkeep import READS, Care, Measure, compare

__all__ = ["care_for_iceberg", "checksum_statement", "expire", "iceberg_tables", "measure", "meta"]

#: Files below this size are joined. Trino's own default.
SMALL_BYTES = 100 * 1024 * 1024
#: What `optimize` leaves in the list of snapshots.
_REWRITTEN = "replace"


def iceberg_tables(connection: trino.dbapi.Connection, project: str) -> list[str]:
    """Full names of the tables in the project's Iceberg schemas, those that dbt keeps beside the catalogue's too.

    Tables that streams write are cared for while they are written, by `quintet.lake.streamcare`.
    """
    schemas = sorted({table.schema for table in tables(project) if table.writer is Writer.DBT})
    found = []
    for schema in schemas:
        rows = query(
            connection,
            "SELECT table_name FROM iceberg.information_schema.tables "
            f"WHERE table_schema = '{schema}' AND table_type = 'BASE TABLE' ORDER BY table_name",
        )
        found += [f"iceberg.{schema}.{row[0]}" for row in rows]
    return found


def care_for_iceberg(connection: trino.dbapi.Connection, name: str, *, retention: timedelta) -> Care:
    """Bring a table (catalog.schema.table) into shape; its rows stay the same.

    Snapshots older than `retention` are given up, and files that no snapshot needs.

    Raises:
        ServiceDownError: Trino does not answer.
        LabError: Trino refused a step.
        CareError: the rows are not the same as before.

    """
    before = measure(connection, name)
    done = []
    if _wants_optimize(connection, name, before):
        content = _checksum(connection, name)
        query(connection, f"ALTER TABLE {name} EXECUTE optimize(file_size_threshold => '{SMALL_BYTES}B')")
        compare(name, content, _checksum(connection, name), change="the snapshot before the last")
        done.append("compact")
    expired = expire(connection, name, retention)
    if expired:
        done.append(f"expired {expired} snapshots")
    # Files that no commit knows: nothing tells beforehand whether there are any, and without any nothing changes.
    threshold = f"{int(retention / timedelta(hours=1))}h"
    query(connection, f"ALTER TABLE {name} EXECUTE remove_orphan_files(retention_threshold => '{threshold}')")
    if before.rows and not _has_statistics(connection, name):
        query(connection, f"ANALYZE {name}")
        done.append("statistics")
    return Care(name, before, measure(connection, name) if done else before, tuple(done))


def measure(connection: trino.dbapi.Connection, name: str) -> Measure:
    """Files and bytes of the table as it is now, and the median time of full scans."""
    (found,) = query(connection, f"SELECT count(*), coalesce(sum(file_size_in_bytes), 0) FROM {meta(name, 'files')}")
    scan, seconds = checksum_statement(connection, name), []
    for _ in range(READS):
        started = time.perf_counter()
        (content,) = query(connection, scan)
        seconds.append(time.perf_counter() - started)
    return Measure(found[0], found[1], content[0], statistics.median(seconds))


def expire(connection: trino.dbapi.Connection, name: str, retention: timedelta, *, below_minimum: bool = False) -> int:
    """Give up snapshots older than `retention`, but for the current one; the number of them.

    Trino refuses less than a week, unless it is told by `below_minimum` that this is meant.

    Raises:
        ServiceDownError: Trino does not answer.
        LabError: Trino refused a step.

    """
    seconds = int(retention.total_seconds())
    (old,) = query(
        connection,
        f"SELECT count(*) FROM {meta(name, 'snapshots')} WHERE committed_at < date_add('second', -{seconds}, "
        f"current_timestamp) AND snapshot_id NOT IN (SELECT snapshot_id FROM {meta(name, 'refs')})",
    )
    if old[0]:
        if below_minimum:
            catalog = name.partition(".")[0]
            query(connection, f"SET SESSION {catalog}.expire_snapshots_min_retention = '{seconds}s'")
        query(connection, f"ALTER TABLE {name} EXECUTE expire_snapshots(retention_threshold => '{seconds}s')")
    return int(old[0])


def _wants_optimize(connection: trino.dbapi.Connection, name: str, now: Measure) -> bool:
    if now.files < 2:
        return False
    (small,) = query(
        connection,
        f"SELECT count_if(file_size_in_bytes < {SMALL_BYTES}), count_if(content <> 0) FROM {meta(name, 'files')}",
    )
    (current,) = query(
        connection,
        f"SELECT operation FROM {meta(name, 'snapshots')} WHERE snapshot_id IN "
        f"(SELECT snapshot_id FROM {meta(name, 'refs')} WHERE name = 'main')",
    )
    return bool(small[0] > 1 or small[1] > 0) and current[0] != _REWRITTEN


def _has_statistics(connection: trino.dbapi.Connection, name: str) -> bool:
    """Whether any column's number of distinct values is known: column 2 of SHOW STATS; the last row is the table's."""
    return any(row[2] is not None for row in query(connection, f"SHOW STATS FOR {name}"))


def _checksum(connection: trino.dbapi.Connection, name: str) -> tuple[int, str]:
    (found,) = query(connection, checksum_statement(connection, name))
    return int(found[0]), str(found[1])


def checksum_statement(connection: trino.dbapi.Connection, name: str) -> str:
    """Query for the number of rows and a checksum over all columns that does not depend on their order."""
    names = [row[0] for row in query(connection, f"SHOW COLUMNS FROM {name}")]
    values = ", ".join(f'"{column}"' for column in names)
    return f"SELECT count(*), to_hex(checksum(ROW({values}))) FROM {name}"


def meta(name: str, part: str) -> str:
    """One of the tables that describe a table, as Trino names it."""
    catalog, schema, table = name.split(".")
    return f'{catalog}.{schema}."{table}${part}"'
