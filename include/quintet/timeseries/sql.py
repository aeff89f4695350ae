"""SQL over the points, read only, in DuckDB.

The table `points` has the columns `metric VARCHAR`, `labels MAP(VARCHAR, VARCHAR)` (without the metric's name),
`timestamp TIMESTAMP_NS` (UTC) and `value DOUBLE`: `SELECT labels['host'], avg(value) FROM points WHERE metric =
'cpu_user' AND timestamp >= now() - INTERVAL 1 HOUR GROUP BY 1`. Conditions on the time, the metric and labels are
given to the store (`quintet.timeseries.pushdown`), so that a narrow question reads a narrow part.

Each statement gets a database of its own, in memory, without access to files, settings or other statements: one
SELECT is all that is run.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from quintet.timeseries.model import METRIC, Scan, ScanStats
from quintet.timeseries.promql.errors import QuerySyntaxError, QueryTimeoutError
from quintet.timeseries.promql.limits import Budget, QueryLimits
from quintet.timeseries.pushdown import Selection, selection_of
from quintet.timeseries.storage import Storage

__all__ = ["Answer", "explain", "query"]

_MEMORY = "1GB"
_LABELS = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True)
class Answer:
    """Rows of a statement, and what was read for them; None when it does not name `points`."""

    table: pa.Table
    selection: Selection | None
    stats: ScanStats


def query(store: Storage, statement: str, limits: QueryLimits | None = None) -> Answer:
    """Run a statement.

    Raises:
        QuerySyntaxError: it is no single SELECT, or names what is not there.
        QueryLimitError: it would read more than it may.
        QueryTimeoutError: it took too long.

    """
    budget = Budget(limits or QueryLimits())
    with _database() as database:
        selection = _selection(database, statement)
        scan = _scan(store, selection, budget)
        database.register("_samples", _samples(scan))
        database.register("_series", _series(scan))
        database.execute(
            "CREATE VIEW points AS SELECT metric, labels, timestamp, value FROM _samples JOIN _series USING (number)"
        ).fetchall()
        database.execute("SET lock_configuration = true").fetchall()
        with _ended_in_time(database, budget.limits.seconds), _explained(budget.limits.seconds):
            table = database.sql(statement).to_arrow_table()
    return Answer(table, selection, scan.stats)


def explain(store: Storage, statement: str) -> tuple[Selection | None, ScanStats]:
    """What a statement would read, without reading it.

    Raises:
        QuerySyntaxError: it is no single SELECT.

    """
    with _database() as database:
        selection = _selection(database, statement)
    if selection is None:
        return None, ScanStats()
    return selection, store.explain(selection.matchers, selection.start, selection.end)


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    database = duckdb.connect(
        config={
            "enable_external_access": "false",
            "python_enable_replacements": "false",
            "autoinstall_known_extensions": "false",
            "memory_limit": _MEMORY,
            "threads": "2",
        }
    )
    try:
        with suppress(duckdb.Error):  # part of most builds; without it there are no time zones to set
            database.execute("LOAD icu").fetchall()
            database.execute("SET TimeZone = 'UTC'").fetchall()
        yield database
    finally:
        database.close()


def _selection(database: duckdb.DuckDBPyConnection, statement: str) -> Selection | None:
    tree = json.loads(_one(database, "SELECT json_serialize_sql(?)", statement))
    if tree.get("error"):
        reason = str(tree.get("error_message", ""))
        if "Only SELECT" in reason:
            raise QuerySyntaxError("only SELECT is allowed", remedy="Write points by line protocol or remote write")
        raise QuerySyntaxError(f"SQL: {reason}")
    if len(tree["statements"]) != 1:
        raise QuerySyntaxError(f"{len(tree['statements'])} statements", remedy="Send one SELECT")
    return selection_of(tree["statements"][0]["node"], lambda node: _time_of(database, node))


def _time_of(database: duckdb.DuckDBPyConnection, node: dict[str, Any]) -> int | None:
    """The value of a constant expression as a time; None when it is none or has no fixed value."""
    try:
        tree = json.loads(_one(database, "SELECT json_serialize_sql(?)", "SELECT epoch_ns(CAST(0 AS TIMESTAMP_NS))"))
        tree["statements"][0]["node"]["select_list"][0]["arguments"][0]["expression"]["child"] = node
        found = _one(database, _one(database, "SELECT json_deserialize_sql(?::JSON)", json.dumps(tree)))
    except (duckdb.Error, KeyError, IndexError):
        return None
    return None if found is None else int(found)


def _one(database: duckdb.DuckDBPyConnection, statement: str, *parameters: str) -> Any:
    """The only value; all rows are fetched, as an open result would block the connection."""
    return database.execute(statement, parameters).fetchall()[0][0]


def _scan(store: Storage, selection: Selection | None, budget: Budget) -> Scan:
    if selection is None:
        empty = np.empty(0, np.int64)
        return Scan([], np.zeros(1, np.int64), empty, empty.astype(np.float64))
    bounds = selection.matchers, selection.start, selection.end
    budget.take_scan(store.explain(*bounds))
    scan = store.scan(*bounds)
    budget.take(0, len(scan.labels))
    return scan


def _samples(scan: Scan) -> pa.Table:
    numbers = np.repeat(np.arange(len(scan.labels), dtype=np.int32), np.diff(scan.offsets))
    return pa.table(
        {"number": numbers, "timestamp": pa.array(scan.timestamps, pa.timestamp("ns")), "value": pa.array(scan.values)}
    )


def _series(scan: Scan) -> pa.Table:
    names = [dict(labels).get(METRIC) for labels in scan.labels]
    maps = [[pair for pair in labels if pair[0] != METRIC] for labels in scan.labels]
    return pa.table(
        {
            "number": np.arange(len(scan.labels), dtype=np.int32),
            "metric": pa.array(names, pa.string()),
            "labels": pa.array(maps, _LABELS),
        }
    )


@contextmanager
def _ended_in_time(database: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(max(0.0, seconds), database.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def _explained(seconds: float) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException as error:
        raise QueryTimeoutError(
            f"the statement took more than {seconds:g} s", remedy="Ask for fewer series or a shorter time"
        ) from error
    except duckdb.Error as error:
        raise QuerySyntaxError(f"SQL: {str(error).splitlines()[0]}") from error
