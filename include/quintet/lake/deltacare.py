"""Care for one Delta table, by delta-rs alone: join and cluster files, remove what no kept version needs, checkpoint.

A table of which nothing was written since it was last cared for is left alone: no commit, no file.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import ColumnProperties, DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from quintet.catalogue import Table
from quintet.lake.errors import CareError
from quintet.lake.tables import delta_path
from quintet.lake.upkeep import READS, Care, Measure, compare
from quintet.settings import Lab

__all__ = ["care_for_delta", "checksum", "measure"]

#: Bytes that a data file shall have; smaller tables become one file.
TARGET_BYTES = 128 * 1024 * 1024
#: Bytes of a table that is clustered as a whole. Of larger ones only the small files are joined, in the order they
#: came: writing all of it anew would cost more than the readers gain.
CLUSTER_BYTES = 256 * 1024 * 1024
#: Memory for sorting; the rest goes through temporary files. 5.4 million lines took 1.7 GB without a bound, 0.7 GB with
#: this one, and the same time.
SORT_BYTES = 512 * 1024 * 1024
#: Commits after which readers get a checkpoint instead of reading each.
CHECKPOINT_COMMITS = 10

#: Operations that change no row and no layout.
_SILENT = ("VACUUM START", "VACUUM END")
_BETWEEN, _NULL = b"\x1f", b"\x00"


def care_for_delta(lab: Lab, table: Table, *, retention: timedelta) -> Care:
    """Bring a table into shape; its rows stay the same.

    Files that left the table less than `retention` ago are kept, so that versions younger than that can be read.

    Raises:
        CareError: a writer was faster, the table cannot be written, or its rows are not the same as before.

    """
    path = delta_path(lab, table)
    try:
        return _care_for(path, table, retention)
    except CommitFailedError as error:
        raise CareError(
            f"the table {table.full_name} was written while it was cared for; its rows are the writer's",
            remedy="Run again when no other run writes",
        ) from error
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise CareError(
            f"the table {table.full_name} cannot be cared for: {str(error)[:300]}",
            remedy=f"Look at {path}: room, access, files that only a backup has. What was done stays good; run again",
        ) from error


def measure(path: Path) -> Measure:
    """Files and bytes of the table as it is now, and the median time of full scans."""
    delta = DeltaTable(path)
    sizes = pa.table(delta.get_add_actions()).column("size_bytes")
    seconds = []
    for _ in range(READS):
        started = time.perf_counter()
        for _batch in pa.RecordBatchReader.from_stream(DeltaTable(path).scan()):
            pass
        seconds.append(time.perf_counter() - started)
    return Measure(len(sizes), pc.sum(sizes).as_py() or 0, delta.count(), statistics.median(seconds))


def checksum(path: Path) -> tuple[int, str]:
    """Number of rows and a checksum over all their values that does not depend on their order.

    The sum, modulo 2^128, of a hash of each row. Source: own derivation.
    """
    rows = total = 0
    for batch in pa.RecordBatchReader.from_stream(DeltaTable(path).scan()):
        columns = [pc.fill_null(_as_bytes(column), _NULL) for column in batch.columns]
        for row in pc.binary_join_element_wise(*columns, _BETWEEN).to_pylist():
            total += int.from_bytes(hashlib.blake2b(row, digest_size=16).digest(), "big")
        rows += batch.num_rows
    return rows, f"{total % (1 << 128):032x}"


def _care_for(path: Path, table: Table, retention: timedelta) -> Care:
    before = measure(path)
    done = []
    step = _wanted(DeltaTable(path), table)
    if step:
        content = checksum(path)
        _rewrite(DeltaTable(path), step, table)
        compare(table.full_name, content, checksum(path), change="the version before OPTIMIZE")
        done.append(step)
    removed = _vacuum(path, retention)
    if removed:
        done.append(f"removed {removed} files")
    logs = _commits(path)
    if _checkpoint(path):
        done.append("checkpoint")
    DeltaTable(path).cleanup_metadata()
    if _commits(path) < logs:
        done.append(f"removed {logs - _commits(path)} log files")
    return Care(table.full_name, before, measure(path) if done else before, tuple(done))


def _wanted(delta: DeltaTable, table: Table) -> str:
    """What the files need: `cluster`, `compact`, or nothing."""
    sizes = pa.table(delta.get_add_actions()).column("size_bytes").to_pylist()
    if len(sizes) < 2 or _last_change(delta) == "OPTIMIZE":
        return ""
    if table.cluster_by and sum(sizes) <= CLUSTER_BYTES:
        return "cluster"
    return "compact" if sum(size < TARGET_BYTES // 2 for size in sizes) > 1 else ""


def _last_change(delta: DeltaTable) -> str:
    """Operation of the last commit that touched rows or their layout; empty when the log does not go back so far."""
    found = (str(commit.get("operation")) for commit in delta.history())
    return next((operation for operation in found if operation not in _SILENT), "")


def _rewrite(delta: DeltaTable, step: str, table: Table) -> None:
    properties = _properties(table)
    if step == "cluster":
        delta.optimize.z_order(
            table.cluster_by, target_size=TARGET_BYTES, max_spill_size=SORT_BYTES, writer_properties=properties
        )
    else:
        delta.optimize.compact(target_size=TARGET_BYTES, writer_properties=properties)


def _properties(table: Table) -> WriterProperties:
    # A number in the key counts on: differences compress to nothing, a dictionary does not.
    numbers = {column.name for column in table.columns if column.type == "long"} & set(table.key)
    counting = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
    return WriterProperties(compression="ZSTD", compression_level=3, column_properties=dict.fromkeys(numbers, counting))


def _vacuum(path: Path, retention: timedelta) -> int:
    """Remove the files that no version younger than `retention` needs; a vacuum without any would still commit."""
    delta = DeltaTable(path)
    hours = int(retention / timedelta(hours=1))
    # Retention is the caller's decision: one below the table's own is for tables that nobody else reads.
    listed = delta.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True)
    # Those that an earlier vacuum removed are listed as long as the log remembers them.
    found = [file for file in listed if (path / unquote(file)).exists()]
    if found:
        delta.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True)
    return len(found)


def _checkpoint(path: Path) -> bool:
    delta = DeltaTable(path)
    if delta.version() - _checkpointed(path) < CHECKPOINT_COMMITS:
        return False
    delta.create_checkpoint()
    return True


def _checkpointed(path: Path) -> int:
    try:
        return int(json.loads((path / "_delta_log" / "_last_checkpoint").read_text(encoding="utf-8"))["version"])
    except FileNotFoundError:
        return -1


def _commits(path: Path) -> int:
    """Commits whose log file is there; those that a checkpoint replaces go when the table's log retention is over."""
    return sum(1 for _ in (path / "_delta_log").glob("*.json"))


def _as_bytes(column: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.int64())
    return pc.cast(pc.cast(column, pa.string()), pa.binary())
