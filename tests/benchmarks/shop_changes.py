"""A copy of the shop's orders and a change log over it, of any size, and what merging the one into the other must give.

Everything follows from the number of a row or of a change, so that the outcome is computed beside the merge, not by it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from numpy.typing import NDArray

from quintet.catalogue.shop import ORDERS, SHOP_CHANGES, delta_copy
from quintet.cdc.changelog import BATCH
from quintet.lake.tables import arrow_schema, create_empty, delta_path
from serving import JsonHandler, serving

if TYPE_CHECKING:
    from quintet.settings import Lab

__all__ = [
    "COPY",
    "SPREADS",
    "Changes",
    "State",
    "land",
    "link_copy",
    "make_changes",
    "registry",
    "state",
    "write_copy",
]

COPY = delta_copy(ORDERS)
#: Where the changes of rows that are there fall: anywhere, or most of them on the newest few in a hundred.
SPREADS = ("anywhere", "newest")
#: Changes of one landing, as the product commits them.
LANDING = 100_000
#: Files of the copy; each holds keys of the whole range, as merges leave them.
FILES = 8
#: Shares of all changes; the others are updates, of which a part are of rows that came in the same changes.
INSERTS, DELETES, UPDATES_OF_NEW = 0.15, 0.05, 0.2
#: Rows whose number is a multiple of it are deleted, never updated: no change comes after a deletion.
DOOMED = 16
STATUSES = ("placed", "paid", "shipped", "returned", "cancelled")
CUSTOMERS = 200_000
#: Microseconds since the epoch: the first order, and the first of the changes.
ORDERED, CHANGED = 1_767_225_600_000_000, 1_790_000_000_000_000
LSN = 10**12
INSERT, UPDATE, DELETE = 0, 1, 2
_OPERATIONS = np.array(["c", "u", "d"])
_ZSTD = WriterProperties(compression="ZSTD", compression_level=3)

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class State:
    """What a copy holds: rows, and sums that any row which is wrong, missing or twice changes."""

    rows: int
    cents: int
    lsn: int


@dataclass(frozen=True)
class Changes:
    """Changes in the order they were committed: row and kind of each, and the rows of the copy before them."""

    rows_before: int
    rows: Numbers
    kinds: Numbers

    @property
    def distinct(self) -> int:
        """Rows that are changed."""
        return len(np.unique(self.rows))

    def expected(self) -> State:
        """What the copy holds when all are merged."""
        numbers = np.arange(self.rows_before + int((self.kinds == INSERT).sum()) + 1)
        last = np.full(len(numbers), -1)
        last[self.rows] = np.arange(len(self.rows))  # of several changes of a row the last one stays
        stays = (last < 0) | (self.kinds[last] != DELETE)
        stays[0] = False
        cents = np.where(last < 0, _base_cents(numbers), _changed_cents(last))
        lsn = np.where(last < 0, numbers, LSN + last)
        return State(int(stays.sum()), int(cents[stays].sum()), int(lsn[stays].sum()))


def make_changes(rows: int, changes: int, spread: str, *, seed: int = 7) -> Changes:
    """Draw changes of a copy with rows 1 to `rows`."""
    random = np.random.default_rng(seed)
    inserts, deletes = int(changes * INSERTS), int(changes * DELETES)
    kinds = np.repeat([INSERT, DELETE, UPDATE], [inserts, deletes, changes - inserts - deletes])
    random.shuffle(kinds)
    numbers = np.empty(changes, np.int64)
    if spread == "newest":
        numbers[:] = rows - random.exponential(rows * 0.02, changes).astype(np.int64).clip(0, rows - 1)
    else:
        numbers[:] = random.integers(1, rows + 1, changes)
    numbers += (numbers % DOOMED == 0) * np.where(numbers == rows, -1, 1)
    made = np.cumsum(kinds == INSERT)
    of_new = (random.random(changes) < UPDATES_OF_NEW) & (made > 0)
    numbers[of_new] = rows + 1 + (random.random(int(of_new.sum())) * made[of_new]).astype(np.int64)
    numbers[kinds == INSERT] = rows + np.arange(1, inserts + 1)
    newest_doomed = rows // DOOMED if spread == "anywhere" else min(rows // DOOMED, 2 * deletes)
    doomed = random.choice(newest_doomed, deletes, replace=False)
    numbers[kinds == DELETE] = (rows // DOOMED - doomed) * DOOMED
    return Changes(rows, numbers, kinds)


def write_copy(lab: Lab, rows: int) -> None:
    """Make the copy with rows 1 to `rows`."""
    create_empty(lab, COPY)
    for first in range(1, FILES + 1):
        numbers = np.arange(first, rows + 1, FILES)
        content = {
            "order_id": pa.array(numbers),
            "customer_id": pa.array(_customers(numbers)),
            "status": _statuses(numbers),
            "total": _decimals(_base_cents(numbers)),
            "placed_at": _instants(_placed(numbers)),
            "updated_at": _instants(_placed(numbers) + 60_000_000),
            "_changed_at": _instants(_placed(numbers) + 60_000_000),
            "_lsn": pa.array(numbers),
        }
        table = pa.Table.from_pydict(content, schema=arrow_schema(COPY))
        write_deltalake(delta_path(lab, COPY), table, mode="append", writer_properties=_ZSTD)


def link_copy(source: Lab, target: Lab) -> None:
    """Give another lab the same copy; data files, which nobody changes, are there once."""

    def place(one: str, other: str) -> None:
        (os.link if one.endswith(".parquet") else shutil.copyfile)(one, other)

    shutil.rmtree(delta_path(target, COPY), ignore_errors=True)
    shutil.copytree(delta_path(source, COPY), delta_path(target, COPY), copy_function=place)


def land(lab: Lab, changes: Changes) -> int:
    """Write the change log as landings commit it; the number of the last one."""
    create_empty(lab, SHOP_CHANGES)
    schema, landing = arrow_schema(SHOP_CHANGES), 0
    for begin in range(0, len(changes.rows), LANDING):
        landing += 1
        places = np.arange(begin, min(begin + LANDING, len(changes.rows)))
        content = _log_rows(places, changes.rows[places], changes.kinds[places], landing)
        write_deltalake(
            delta_path(lab, SHOP_CHANGES),
            pa.Table.from_pydict(content, schema=schema),
            mode="append",
            commit_properties=CommitProperties(app_transactions=[Transaction(BATCH, landing)]),
            writer_properties=_ZSTD,
        )
    return landing


def state(lab: Lab) -> State:
    """What the copy holds now."""
    rows = cents = lsn = 0
    scan = DeltaTable(delta_path(lab, COPY)).scan(columns=["total", "_lsn"])
    for batch in pa.RecordBatchReader.from_stream(scan):
        rows += batch.num_rows
        cents += int((pc.sum(batch.column("total")).as_py() or 0) * 100)
        lsn += pc.sum(batch.column("_lsn")).as_py() or 0
    return State(rows, cents, lsn)


@contextmanager
def registry() -> Iterator[int]:
    """A registry that knows the schema of orders, for the time of the block; its port."""
    types = {"long": "long", "string": "string", "timestamp": "string"}
    fields = [{"name": column.name, "type": types.get(column.type, "string")} for column in ORDERS.columns]
    schema = json.dumps({"type": "record", "name": "Value", "fields": fields})

    class Schemas(JsonHandler):
        def do_GET(self) -> None:
            self.say(200, {"schema": schema})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Schemas)
    with serving(server):
        yield server.server_port


def _log_rows(places: Numbers, rows: Numbers, kinds: Numbers, landing: int) -> dict[str, Any]:
    count = len(places)
    cents, placed = _changed_cents(places), pc.strftime(_instants(_placed(rows)), "%Y-%m-%dT%H:%M:%SZ").to_pylist()
    at = pc.strftime(_instants(_changed_at(places)), "%Y-%m-%dT%H:%M:%SZ").to_pylist()
    values = zip(
        rows.tolist(),
        _customers(rows).tolist(),
        _statuses(places).to_pylist(),
        cents.tolist(),
        placed,
        at,
        kinds.tolist(),
        strict=True,
    )
    after = [
        None
        if kind == DELETE
        else f'{{"order_id":{row},"customer_id":{customer},"status":"{status}",'
        f'"total":"{money // 100}.{money % 100:02d}","placed_at":"{since}","updated_at":"{told}"}}'
        for row, customer, status, money, since, told, kind in values
    ]
    return {
        "table_name": pa.array([ORDERS.name] * count),
        "operation": pa.array(_OPERATIONS[kinds]),
        "key": pa.array([f'{{"order_id":{row}}}' for row in rows.tolist()]),
        "row": pa.array(after, pa.string()),
        "unchanged": pa.nulls(count, pa.string()),
        "lsn": pa.array(LSN + places),
        "transaction_id": pa.array(places // 10),
        "changed_at": _instants(_changed_at(places)),
        "captured_at": _instants(_changed_at(places) + 100_000),
        "schema_id": pa.array(np.ones(count, np.int32)),
        "topic_partition": pa.array((rows % 2).astype(np.int32)),
        "topic_offset": pa.array(places),
        "batch": pa.array(np.full(count, landing)),
    }


def _base_cents(numbers: Numbers) -> Numbers:
    return numbers * 7919 % 100_000 + 100


def _changed_cents(places: Numbers) -> Numbers:
    return places * 53 % 100_000 + 100


def _customers(numbers: Numbers) -> Numbers:
    # Scattered, as those of a real shop are: numbers in a row would compress to nothing.
    return numbers * 2_654_435_761 % CUSTOMERS + 1


def _placed(numbers: Numbers) -> Numbers:
    return ORDERED + numbers * 2_000_000


def _changed_at(places: Numbers) -> Numbers:
    return CHANGED + places * 5000


def _statuses(numbers: Numbers) -> pa.Array:
    return pa.array(STATUSES).take(pa.array(numbers * 2_654_435_761 // 1000 % len(STATUSES)))


def _instants(micros: Numbers) -> pa.Array:
    return pa.array(micros, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _decimals(cents: Numbers) -> pa.Array:
    """Numbers of cents as decimal(14,2): the sixteen bytes of each are the number itself."""
    words = np.zeros((len(cents), 2), np.int64)
    words[:, 0] = cents
    return pa.Array.from_buffers(pa.decimal128(14, 2), len(cents), [None, pa.py_buffer(words)])
