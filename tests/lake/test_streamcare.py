"""Care for tables that streams write: when it acts, how it proves that no row changed, what it does about conflicts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from labs import lab_below
from quintet.catalogue import Retention
from quintet.errors import LabError
from quintet.lake.errors import CareError
from quintet.lake.icebergcare import iceberg_tables
from quintet.lake.streamcare import care_for_stream, care_streams, stream_tables
from quintet.lake.trino import connect
from quintet.runs import record
from trino_server import Refusal, Rows, trino_server

TABLE = "iceberg.silver_lakehouse.shop_orders"


@dataclass
class Lake:
    """What Trino answers about one table, and what becomes of it."""

    delete_files: int = 0
    small_files: int = 1
    old_snapshots: int = 0
    #: Refusals of `optimize`, or of a removal, before it works.
    conflicts: int = 0
    old_rows: int = 0
    #: Content of the snapshots by id: the first is the one before, the second that of the rewrite.
    contents: dict[int, tuple[int, str]] = field(default_factory=lambda: {1: (9, "AA"), 2: (9, "AA")})
    is_rewritten: bool = False

    def answer(self, statement: str) -> Rows | Refusal:
        if "information_schema" in statement:
            return [["shop_orders"]]
        if statement.startswith("SHOW COLUMNS"):
            return [["order_id"], ["status"]]
        if version := re.search(r"FOR VERSION AS OF (\d+)", statement):
            return [list(self.contents[int(version[1])])]
        if "checksum" in statement:
            return [[9, "AA"]]
        if "count_if" in statement:
            return [[self.delete_files, self.small_files]]
        if '$files"' in statement:
            return [[1 if self.is_rewritten else 20, 1000]]
        if "SELECT count(*) FROM iceberg" in statement and "INTERVAL" in statement:
            return [[self.old_rows]]
        if statement.startswith("DELETE"):
            if self.conflicts:
                self.conflicts -= 1
                return Refusal("Failed to commit the transaction during write", kind="EXTERNAL")
            self.old_rows = 0
            return []
        if "optimize" in statement:
            if self.conflicts:
                self.conflicts -= 1
                return Refusal("Failed to commit the transaction during rewrite", kind="EXTERNAL")
            self.is_rewritten, self.delete_files = True, 0
            return []
        if "parent_id" in statement:
            rewrite: Rows = [[2, 1, "replace"]] if self.is_rewritten else []
            return [[1, None, "overwrite"], *rewrite]
        if '$snapshots"' in statement:
            return [[self.old_snapshots]]
        return []


@contextmanager
def cared(lake: Lake, folder: Path) -> Iterator[tuple[Any, list[str]]]:
    with trino_server(lake.answer) as server:
        connection = connect(lab_below(folder, trino_port=server.port))
        try:
            yield connection, server.asked
        finally:
            connection.close()


@pytest.mark.parametrize(("deletes", "small"), [(3, 15), (0, 1)])
def test_a_table_with_few_deletions_and_files_is_left_alone(deletes: int, small: int, tmp_path: Path) -> None:
    with cared(Lake(delete_files=deletes, small_files=small), tmp_path) as (connection, asked):
        assert care_for_stream(connection, TABLE).done == ()
    assert not any("EXECUTE" in statement for statement in asked)


@pytest.mark.parametrize(("deletes", "small"), [(4, 0), (0, 16)])
def test_a_table_with_many_is_written_anew_and_its_rows_are_compared(deletes: int, small: int, tmp_path: Path) -> None:
    with cared(Lake(delete_files=deletes, small_files=small), tmp_path) as (connection, asked):
        care = care_for_stream(connection, TABLE)
    assert (care.done, care.before.files, care.after.files) == (("compact",), 20, 1)
    versions = [found[1] for statement in asked if (found := re.search(r"AS OF (\d+)", statement))]
    assert versions == ["1", "2"], "the snapshot before and the rewrite: the stream may have written since"


def test_a_rewrite_that_changed_rows_is_told_with_the_snapshot_to_go_back_to(tmp_path: Path) -> None:
    lake = Lake(delete_files=9, contents={1: (9, "AA"), 2: (8, "BB")})
    with (
        cared(lake, tmp_path) as (connection, _),
        pytest.raises(CareError, match=r"8 rows \(BB\) in snapshot 2") as told,
    ):
        care_for_stream(connection, TABLE)
    assert "roll the table back to 1" in str(told.value)


def test_a_stream_that_was_faster_is_tried_against_again_and_not_for_ever(tmp_path: Path) -> None:
    with cared(Lake(delete_files=9, conflicts=2), tmp_path) as (connection, asked):
        assert care_for_stream(connection, TABLE).done == ("compact",)
    assert sum("optimize" in statement for statement in asked) == 3
    with (
        cared(Lake(delete_files=9, conflicts=3), tmp_path / "more") as (connection, _),
        pytest.raises(LabError, match="Failed to commit"),
    ):
        care_for_stream(connection, TABLE)


def test_snapshots_older_than_the_retention_go_though_it_is_shorter_than_trino_likes(tmp_path: Path) -> None:
    with cared(Lake(old_snapshots=700), tmp_path) as (connection, asked):
        assert care_for_stream(connection, TABLE, retention=timedelta(hours=2)).done == ("expired 700 snapshots",)
    session = next(place for place, text in enumerate(asked) if text.startswith("SET SESSION"))
    expiry = next(place for place, text in enumerate(asked) if "expire_snapshots(" in text)
    assert session < expiry
    assert "7200s" in asked[session]
    assert "7200s" in asked[expiry]


def test_rows_that_are_older_than_the_catalogue_says_are_removed_and_others_never(tmp_path: Path) -> None:
    kept = Retention(30, "placed_at")
    lake = Lake(old_rows=12, conflicts=1)
    with cared(lake, tmp_path) as (connection, asked):
        assert care_for_stream(connection, TABLE, rows=kept).done == ("removed 12 rows older than 30 days",)
        assert care_for_stream(connection, TABLE, rows=kept).done == ()
        assert care_for_stream(connection, TABLE).done == ()
    removals = [statement for statement in asked if statement.startswith("DELETE")]
    assert removals == [f"DELETE FROM {TABLE} WHERE placed_at < current_timestamp - INTERVAL '30' DAY"] * 2


def test_only_tables_that_streams_write_and_that_are_there_are_cared_for(tmp_path: Path) -> None:
    lake = Lake(delete_files=9)
    with trino_server(lake.answer) as server:
        lab = lab_below(tmp_path, trino_port=server.port)
        result = care_streams("lakehouse", lab_file=str(lab.file))
    assert result["changed"] == [TABLE]
    assert (record.read(lab, "lakehouse", "care_streams") or {})["changed"] == [TABLE]
    assert {table.name for table in stream_tables("lakehouse")} > {"shop_orders", "shop_customers"}


def test_the_weekly_care_leaves_tables_of_streams_to_this_one(tmp_path: Path) -> None:
    with cared(Lake(), tmp_path) as (connection, asked):
        iceberg_tables(connection, "lakehouse")
    assert "silver_lakehouse" not in " ".join(asked)
