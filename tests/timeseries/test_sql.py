"""SQL over the points: what it sees, what it reads, and what it may not do."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from naive_store import NaiveStore

from quintet.timeseries.model import MAX_TIME, MIN_TIME, SECOND, Batch, Matcher, labels_of
from quintet.timeseries.promql.errors import QueryLimitError, QuerySyntaxError, QueryTimeoutError
from quintet.timeseries.promql.limits import QueryLimits
from quintet.timeseries.sql import explain, query

#: 2024-01-01 00:00:00 UTC
BEGIN = 1_704_067_200 * SECOND


@pytest.fixture(scope="module")
def store() -> NaiveStore:
    store = NaiveStore()
    for metric, host in (("cpu", "a"), ("cpu", "b"), ("memory", "a")):
        times = BEGIN + np.arange(60) * 60 * SECOND + 1
        labels = labels_of({"__name__": metric, "host": host, **({"dc": "x"} if host == "a" else {})})
        store.append(Batch([labels], np.zeros(60, np.uint32), times, np.arange(60.0)))
    return store


def rows(store: NaiveStore, statement: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in query(store, statement).table.to_pylist()]


def test_points_are_a_table_with_labels_as_a_map(store: NaiveStore) -> None:
    found = rows(
        store, "SELECT metric, labels['host'] AS host, count(*), max(value) FROM points GROUP BY 1, 2 ORDER BY 1, 2"
    )
    assert found == [("cpu", "a", 60, 59.0), ("cpu", "b", 60, 59.0), ("memory", "a", 60, 59.0)]


def test_timestamps_keep_their_nanoseconds_and_mean_utc(store: NaiveStore) -> None:
    assert rows(store, "SELECT epoch_ns(min(timestamp)) FROM points") == [(BEGIN + 1,)]
    statement = "SELECT time_bucket(INTERVAL 30 MINUTE, timestamp) AS t, avg(value) FROM points GROUP BY 1 ORDER BY 1"
    assert rows(store, statement) == [(datetime(2024, 1, 1), 14.5), (datetime(2024, 1, 1, 0, 30), 44.5)]


@pytest.mark.parametrize(
    ("condition", "matchers", "start", "end"),
    [
        ("metric = 'cpu'", [Matcher("__name__", "=", "cpu")], None, None),
        ("'cpu' = points.metric", [Matcher("__name__", "=", "cpu")], None, None),
        ("labels['host'] = 'a' AND value > 3", [Matcher("host", "=", "a")], None, None),
        ("labels['host'] IN ('a', 'c.')", [Matcher("host", "=~", "a|c\\.")], None, None),
        ("timestamp >= '2024-01-01 00:10:00'", [], 600, None),
        ("timestamp < TIMESTAMP '2024-01-01 00:10:00'", [], None, 600),
        ("TIMESTAMP '2024-01-01' + INTERVAL 5 MINUTE <= timestamp", [], 300, None),
        ("timestamp < TIMESTAMPTZ '2024-01-01 01:10:00+01'", [], None, 600),
        ("timestamp BETWEEN '2024-01-01 00:01:00' AND '2024-01-01 00:02:00'", [], 60, 120),
        ("metric = 'cpu' OR value > 3", [], None, None),
        ("NOT metric = 'cpu'", [], None, None),
        ("labels['dc'] = ''", [], None, None),
        ("timestamp > (SELECT min(timestamp) FROM range(1) AS r(timestamp))", [], None, None),
    ],
)
def test_conditions_on_time_and_labels_narrow_what_is_read_and_nothing_else(
    store: NaiveStore, condition: str, matchers: list[Matcher], start: int | None, end: int | None
) -> None:
    selection, stats = explain(store, f"SELECT avg(value) FROM points WHERE {condition}")
    assert selection is not None
    assert list(selection.matchers) == matchers
    assert selection.start == (MIN_TIME if start is None else BEGIN + start * SECOND - 1000)
    assert selection.end == (MAX_TIME if end is None else BEGIN + end * SECOND + 1000)
    assert stats.head_points < 180 or not (matchers or start or end)


@pytest.mark.parametrize(
    ("statement", "all_of_them"),
    [
        ("SELECT * FROM points p WHERE p.metric = 'cpu' UNION ALL SELECT * FROM points WHERE metric = 'memory'", True),
        ("SELECT * FROM points p WHERE p.metric = 'cpu' UNION ALL SELECT * FROM points WHERE metric = 'cpu'", False),
        ("SELECT * FROM points a JOIN points b USING (timestamp) WHERE a.metric = 'cpu'", True),
        ("WITH c AS (SELECT * FROM points WHERE metric = 'cpu') SELECT * FROM c WHERE metric = 'memory'", False),
        ("SELECT * FROM query('SELECT * FROM points') WHERE metric = 'cpu'", True),
        ("SELECT (SELECT max(value) FROM points WHERE metric = 'cpu')", False),
        ("SELECT *, (SELECT max(value) FROM points) FROM points WHERE metric = 'cpu'", True),
    ],
)
def test_a_statement_with_several_scans_reads_what_all_of_them_need(
    store: NaiveStore, statement: str, all_of_them: bool
) -> None:
    selection, _ = explain(store, statement)
    assert selection is not None
    assert (selection.matchers == ()) == all_of_them
    query(store, statement)


def test_an_answer_says_what_was_read(store: NaiveStore) -> None:
    answer = query(store, "SELECT count(*) FROM points WHERE metric = 'memory'")
    assert answer.table.to_pylist() == [{"count_star()": 60}]
    assert answer.stats.head_points == 60
    assert query(store, "SELECT 1").selection is None


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (a INT)",
        "INSERT INTO points VALUES (1)",
        "COPY (SELECT 1) TO 'out.csv'",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "SET threads = 1",
        "PRAGMA version",
        "SELECT 1; SELECT 2",
        "SELECT",
        "nonsense",
        "",
        "SELECT * FROM nothing",
        "SELECT * FROM store",
        "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM glob('/*')",
        "SELECT content FROM read_text('/etc/hostname')",
    ],
)
def test_nothing_but_one_select_over_the_points_is_run(
    store: NaiveStore, statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QuerySyntaxError):
        query(store, statement)
    assert list(tmp_path.iterdir()) == []


def test_a_statement_that_reads_too_much_or_too_long_is_refused(store: NaiveStore) -> None:
    with pytest.raises(QueryLimitError, match="180 points"):
        query(store, "SELECT * FROM points", QueryLimits(points=100))
    with pytest.raises(QueryTimeoutError):
        query(store, "SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 3", QueryLimits(seconds=0.2))
