"""Care joins and orders files, removes what no kept version needs, changes no row, and rests when nothing is to do."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from bronze import line, with_tables, write_day
from quintet.catalogue.lakehouse import DAY_BALANCE, FILES, GATE_RESULTS, INVOICE_LINES, INVOICE_LINES_RAW
from quintet.errors import ServiceDownError
from quintet.lake import care, deltacare
from quintet.lake.care import care_tables
from quintet.lake.deltacare import CHECKPOINT_COMMITS, checksum
from quintet.lake.errors import CareError
from quintet.lake.landing import land
from quintet.lake.tables import delta_path
from quintet.lakehouse.feeds import INVOICE_LINES as LINES
from quintet.runs import record
from quintet.settings import Lab
from small_files import append_rows, files_of, sorted_rows, version_of


@pytest.fixture
def lake(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with its Delta tables empty, and without the Iceberg part of the care."""
    monkeypatch.setattr(care, "_care_for_iceberg", lambda *_: None)
    return with_tables(lab)


def cared(lab: Lab, **options: Any) -> dict[str, dict[str, Any]]:
    """Rows of the result, by name of the table."""
    result = care_tables("lakehouse", lab_file=str(lab.file), **options)
    return {row["table"]: row for row in result["tables"]}


def test_many_small_files_become_one_and_every_row_stays(lake: Lab) -> None:
    append_rows(lake, INVOICE_LINES, 12)
    before = sorted_rows(lake, INVOICE_LINES)
    row = cared(lake)[INVOICE_LINES.full_name]
    assert (row["files_before"], row["files_after"], row["rows"]) == (12, 1, 240)
    assert row["done"] == ["cluster", "checkpoint"]
    assert 0 < row["bytes_after"] < row["bytes_before"]
    assert row["read_seconds_before"] > 0
    assert row["read_seconds_after"] > 0
    assert files_of(lake, INVOICE_LINES) == 1
    assert sorted_rows(lake, INVOICE_LINES) == before
    assert len(before) == 240


def test_rows_lie_in_the_order_that_the_catalogue_clusters_by(lake: Lab) -> None:
    append_rows(lake, DAY_BALANCE, 4, first=1)
    cared(lake)
    found = pa.RecordBatchReader.from_stream(DeltaTable(delta_path(lake, DAY_BALANCE)).scan()).read_all()
    days = [day for day in found.column("file_date").to_pylist() if day]
    assert DAY_BALANCE.cluster_by == ("file_date",)
    assert days == sorted(days)
    assert len(set(days)) == 5


def test_a_table_without_cluster_columns_is_only_joined(lake: Lab) -> None:
    append_rows(lake, GATE_RESULTS, 3)
    assert GATE_RESULTS.cluster_by == ()
    assert cared(lake)[GATE_RESULTS.full_name]["done"] == ["compact"]
    assert files_of(lake, GATE_RESULTS) == 1


def test_of_a_large_table_only_the_small_files_are_joined(lake: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deltacare, "CLUSTER_BYTES", 1000)
    append_rows(lake, INVOICE_LINES, 3)
    assert cared(lake)[INVOICE_LINES.full_name]["done"] == ["compact"]


def test_a_large_table_of_large_files_is_left_alone(lake: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    append_rows(lake, INVOICE_LINES, 3)
    monkeypatch.setattr(deltacare, "CLUSTER_BYTES", 1000)
    monkeypatch.setattr(deltacare, "TARGET_BYTES", 1000)
    assert cared(lake)[INVOICE_LINES.full_name]["done"] == []
    assert version_of(lake, INVOICE_LINES) == 3


def test_a_second_care_commits_nothing(lake: Lab) -> None:
    for table in (INVOICE_LINES, DAY_BALANCE, GATE_RESULTS):
        append_rows(lake, table, 5)
    first = care_tables("lakehouse", lab_file=str(lake.file))
    assert first["changed"] == [INVOICE_LINES.full_name, DAY_BALANCE.full_name, GATE_RESULTS.full_name]
    logs = {path: path.stat().st_mtime_ns for path in lake.path("lake").rglob("*") if path.is_file()}
    second = care_tables("lakehouse", lab_file=str(lake.file))
    assert second["changed"] == []
    assert {path: path.stat().st_mtime_ns for path in lake.path("lake").rglob("*") if path.is_file()} == logs


def test_what_is_written_after_a_care_is_cared_for_in_turn(lake: Lab) -> None:
    append_rows(lake, INVOICE_LINES, 3)
    cared(lake)
    append_rows(lake, INVOICE_LINES, 1, first=1000)
    row = cared(lake)[INVOICE_LINES.full_name]
    assert (row["files_before"], row["files_after"], row["rows"]) == (2, 1, 80)


def test_empty_tables_are_left_alone(lake: Lab) -> None:
    result = care_tables("lakehouse", lab_file=str(lake.file))
    assert result["changed"] == []
    assert {row["rows"] for row in result["tables"]} == {0}
    assert version_of(lake, INVOICE_LINES) == 0


def test_older_versions_can_be_read_until_their_retention_has_passed(lake: Lab) -> None:
    append_rows(lake, INVOICE_LINES, 3)
    old = sorted_rows(lake, INVOICE_LINES, version=2)
    cared(lake)
    assert sorted_rows(lake, INVOICE_LINES, version=2) == old
    assert len(old) == 40

    assert cared(lake, retention_hours=0)[INVOICE_LINES.full_name]["done"] == ["removed 3 files"]
    with pytest.raises(pa.ArrowInvalid, match="not found"):
        sorted_rows(lake, INVOICE_LINES, version=2)
    assert len(sorted_rows(lake, INVOICE_LINES)) == 60
    assert cared(lake, retention_hours=0)[INVOICE_LINES.full_name]["done"] == []


def test_remains_of_a_killed_writer_are_removed_once_they_are_old(lake: Lab) -> None:
    append_rows(lake, INVOICE_LINES, 1)
    remains = delta_path(lake, INVOICE_LINES) / "part-00000-killed.snappy.parquet"
    remains.write_bytes(b"half a file")
    cared(lake)
    assert remains.exists()
    week_ago = remains.stat().st_mtime - 8 * 24 * 3600
    os.utime(remains, (week_ago, week_ago))
    assert cared(lake)[INVOICE_LINES.full_name]["done"] == ["removed 1 files"]
    assert not remains.exists()


def test_many_commits_get_a_checkpoint_and_a_few_do_not(lake: Lab) -> None:
    append_rows(lake, GATE_RESULTS, CHECKPOINT_COMMITS - 2)
    checkpoint = delta_path(lake, GATE_RESULTS) / "_delta_log" / "_last_checkpoint"
    assert not checkpoint.exists()
    assert cared(lake)[GATE_RESULTS.full_name]["done"] == ["compact", "checkpoint"]
    assert json.loads(checkpoint.read_text(encoding="utf-8"))["version"] == version_of(lake, GATE_RESULTS)
    append_rows(lake, GATE_RESULTS, 2, first=1000)
    assert cared(lake)[GATE_RESULTS.full_name]["done"] == ["compact"]


def test_content_that_has_landed_does_not_land_again_after_care_and_the_loss_of_old_logs(
    lake: Lab, tmp_path: Path
) -> None:
    days = [write_day(tmp_path / "in", f"2010-12-{day:02}.csv", [line(day)]) for day in range(1, 13)]
    for day in days:
        land(lake, LINES, [day], batch_id="first")
    assert cared(lake)[INVOICE_LINES_RAW.full_name]["done"] == ["cluster", "checkpoint"]
    for table in (INVOICE_LINES_RAW, FILES):
        for log in (delta_path(lake, table) / "_delta_log").iterdir():
            os.utime(log, (1e9, 1e9))
    assert cared(lake)[INVOICE_LINES_RAW.full_name]["done"] == ["removed 13 log files"]
    again = land(lake, LINES, days, batch_id="second")
    assert again.landed == ()
    assert len(again.known) == 12
    assert DeltaTable(delta_path(lake, INVOICE_LINES_RAW)).count() == 12


def test_a_checksum_knows_values_and_nulls_and_not_their_order(tmp_path: Path) -> None:
    def of(rows: list[tuple[str | None, str | None, date | None]]) -> tuple[int, str]:
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
        write_deltalake(path, pa.Table.from_arrays(columns, names=["a", "b", "c"]))
        return checksum(path)

    kinds = (pa.string(), pa.string(), pa.date32())
    day = date(2011, 1, 1)
    base = of([("x", "y", day), ("z", None, None)])
    assert base == of([("z", None, None), ("x", "y", day)])
    assert base[0] == 2
    others = [
        [("x", "y", day)],
        [("x", "y", day), ("z", "", None)],
        [("x", "y", day), ("x", "y", day)],
        [("xy", "", day), ("z", None, None)],
        [("x", "y", date(2011, 1, 2)), ("z", None, None)],
        [("x", None, day), ("z", "y", None)],
    ]
    assert len({base, *map(of, others)}) == 1 + len(others)


def test_rows_that_differ_afterwards_are_an_error(lake: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    append_rows(lake, INVOICE_LINES, 2)

    def lose(delta: DeltaTable, *_: Any) -> None:
        delta.delete("is_guest")

    monkeypatch.setattr(deltacare, "_rewrite", lose)
    with pytest.raises(CareError, match=r"invoice_lines are not those from before .* 40 rows .* 20 rows .*roll the ta"):
        care_tables("lakehouse", lab_file=str(lake.file))


def test_one_table_that_fails_keeps_no_other_from_its_care(lake: Lab) -> None:
    for table in (INVOICE_LINES, GATE_RESULTS):
        append_rows(lake, table, 3)
    next(delta_path(lake, INVOICE_LINES).glob("*.parquet")).unlink()
    with pytest.raises(
        CareError, match=r"silver_lakehouse\.invoice_lines cannot be cared for: .*metadata for file .*Look at "
    ):
        care_tables("lakehouse", lab_file=str(lake.file))
    assert files_of(lake, GATE_RESULTS) == 1
    report = record.read(lake, "lakehouse", "care")
    assert report
    assert report["changed"] == [GATE_RESULTS.full_name]
    assert len(report["errors"]) == 1


def test_a_writer_that_was_faster_keeps_its_rows(lake: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    append_rows(lake, INVOICE_LINES, 3)
    rewrite = deltacare._rewrite

    def late(delta: DeltaTable, *rest: Any) -> None:
        DeltaTable(delta_path(lake, INVOICE_LINES)).delete("is_guest")
        rewrite(delta, *rest)

    monkeypatch.setattr(deltacare, "_rewrite", late)
    with pytest.raises(CareError, match=r"was written while it was cared for.*Run again"):
        care_tables("lakehouse", lab_file=str(lake.file))
    assert len(sorted_rows(lake, INVOICE_LINES)) == 30


def test_without_trino_the_delta_tables_are_in_shape_and_the_rest_is_told(lab: Lab) -> None:
    with_tables(lab)
    append_rows(lab, INVOICE_LINES, 3)
    with pytest.raises(
        ServiceDownError, match=r"Delta tables of lakehouse are in shape, .* Start Trino .* run the care"
    ):
        care_tables("lakehouse", lab_file=str(lab.file))
    assert files_of(lab, INVOICE_LINES) == 1
    report = record.read(lab, "lakehouse", "care")
    assert report
    assert report["changed"] == [INVOICE_LINES.full_name]
    assert "Trino does not answer" in report["errors"][0]
