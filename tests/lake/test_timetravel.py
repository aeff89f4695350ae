"""The versions of a table, and the way back to one."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from bronze import with_tables
from quintet.catalogue import Table
from quintet.catalogue.lakehouse import GATE_RESULTS, INVOICE_LINES, INVOICE_LINES_RAW, LAKEHOUSE
from quintet.errors import ServiceDownError
from quintet.lake import timetravel
from quintet.lake.deltaversions import row_version
from quintet.lake.errors import VersionError
from quintet.lake.tables import delta_path
from quintet.lake.timetravel import history, main, rollback
from quintet.settings import Lab
from small_files import append_rows, sorted_rows, version_of


@pytest.fixture
def lake(lab: Lab) -> Lab:
    """A lab whose silver lines have versions 0 (empty) to 3 (60 rows)."""
    with_tables(lab)
    append_rows(lab, INVOICE_LINES, 3)
    return lab


def gold() -> Table:
    return next(table for table in LAKEHOUSE.tables if table.catalog == "iceberg")


def join_and_remove(lab: Lab) -> None:
    """Join the files and remove those that only older versions need."""
    delta = DeltaTable(delta_path(lab, INVOICE_LINES))
    delta.optimize.compact()
    delta.vacuum(0, dry_run=False, enforce_retention_duration=False)


def test_the_history_tells_each_version_with_its_rows(lake: Lab) -> None:
    found = history(lake, INVOICE_LINES)
    assert [(row["version"], row["operation"], row["rows"]) for row in found] == [
        (3, "WRITE", 60),
        (2, "WRITE", 40),
        (1, "WRITE", 20),
        (0, "CREATE TABLE", 0),
    ]
    assert [row["is_current"] for row in found] == [True, False, False, False]
    assert all(row["is_readable"] for row in found)
    times = [datetime.fromisoformat(row["at"]) for row in found]
    assert times == sorted(times, reverse=True)
    assert datetime.now(UTC) - times[-1] < timedelta(minutes=5)


def test_the_history_ends_where_it_is_asked_to(lake: Lab) -> None:
    assert [row["version"] for row in history(lake, INVOICE_LINES, limit=2)] == [3, 2]


def test_rolling_back_brings_the_old_rows_as_a_new_version(lake: Lab) -> None:
    old = sorted_rows(lake, INVOICE_LINES, version=1)
    assert rollback(lake, INVOICE_LINES, 1) == {
        "table": INVOICE_LINES.full_name,
        "from": 3,
        "to": 1,
        "version": 4,
        "rows": 20,
    }
    assert sorted_rows(lake, INVOICE_LINES) == old
    assert history(lake, INVOICE_LINES, limit=1)[0]["operation"] == "RESTORE"


def test_a_rollback_can_be_rolled_back(lake: Lab) -> None:
    latest = sorted_rows(lake, INVOICE_LINES)
    rollback(lake, INVOICE_LINES, 1)
    rollback(lake, INVOICE_LINES, 3)
    assert sorted_rows(lake, INVOICE_LINES) == latest


def test_rolling_back_to_the_current_version_commits_nothing(lake: Lab) -> None:
    assert rollback(lake, INVOICE_LINES, 3)["version"] == 3
    assert version_of(lake, INVOICE_LINES) == 3


@pytest.mark.parametrize("version", [4, -1])
def test_an_unknown_version_is_refused_with_those_that_exist(lake: Lab, version: int) -> None:
    with pytest.raises(VersionError, match=rf"invoice_lines has no version {version}\. It has: 3, 2, 1, 0$"):
        rollback(lake, INVOICE_LINES, version)
    assert version_of(lake, INVOICE_LINES) == 3


def test_of_many_versions_the_latest_are_named(lake: Lab) -> None:
    append_rows(lake, GATE_RESULTS, 12, rows=1)
    with pytest.raises(VersionError, match=r"It has: 12, 11, 10, 9, 8, 7, 6, 5, 4, 3 and 3 older ones$"):
        rollback(lake, GATE_RESULTS, 99)


def test_a_version_whose_files_are_gone_is_refused_with_those_that_are_whole(lake: Lab) -> None:
    join_and_remove(lake)
    assert [(row["version"], row["is_readable"]) for row in history(lake, INVOICE_LINES)] == [
        (6, True),
        (5, True),
        (4, True),
        (3, False),
        (2, False),
        (1, False),
        (0, True),
    ]
    expected = r"version 2 of .*invoice_lines cannot be read any more: 2 of its files .*Take .*: 6, 5, 4, 0$"
    with pytest.raises(VersionError, match=expected):
        rollback(lake, INVOICE_LINES, 2)
    assert version_of(lake, INVOICE_LINES) == 6


def test_a_version_whose_log_is_gone_is_an_unknown_one(lake: Lab) -> None:
    path = delta_path(lake, INVOICE_LINES)
    DeltaTable(path).create_checkpoint()
    for log in (path / "_delta_log").iterdir():
        os.utime(log, (1e9, 1e9))
    append_rows(lake, INVOICE_LINES, 2)
    DeltaTable(path).create_checkpoint()
    DeltaTable(path).cleanup_metadata()
    assert [(row["version"], row["rows"]) for row in history(lake, INVOICE_LINES)] == [(5, 100), (4, 80), (3, 60)]
    with pytest.raises(VersionError, match=r"has no version 1\. It has: 5, 4, 3$"):
        rollback(lake, INVOICE_LINES, 1)


def test_bronze_is_not_rolled_back(lake: Lab) -> None:
    with pytest.raises(
        VersionError, match=r"bronze_lakehouse\.invoice_lines cannot be rolled back: .* would never land"
    ):
        rollback(lake, INVOICE_LINES_RAW, 0)


def test_a_table_that_is_not_there_is_said_to_be_so(lab: Lab) -> None:
    with pytest.raises(VersionError, match=r"invoice_lines is not at .*make install"):
        history(lab, INVOICE_LINES)


def test_an_iceberg_table_wants_trino(lake: Lab) -> None:
    for ask in (lambda: history(lake, gold()), lambda: rollback(lake, gold(), 1)):
        with pytest.raises(ServiceDownError, match="Trino does not answer"):
            ask()


def test_the_care_of_a_table_brings_no_rows(lake: Lab) -> None:
    assert row_version(lake, INVOICE_LINES) == 3
    join_and_remove(lake)
    assert version_of(lake, INVOICE_LINES) == 6
    assert row_version(lake, INVOICE_LINES) == 3
    append_rows(lake, INVOICE_LINES, 1, first=1000)
    assert row_version(lake, INVOICE_LINES) == 7


def without_its_first_commits(lab: Lab, number: int) -> None:
    """Make the first commits unreadable, as if the log were too long to be read; the table lives from a checkpoint."""
    path = delta_path(lab, INVOICE_LINES)
    DeltaTable(path).create_checkpoint()
    for version in range(number):
        (path / "_delta_log" / f"{version:020}.json").write_text("no commit", encoding="utf-8")
    append_rows(lab, INVOICE_LINES, 1, first=1000)


def test_only_the_end_of_the_log_tells_which_version_brought_the_rows(lake: Lab) -> None:
    without_its_first_commits(lake, 3)
    with pytest.raises(DeltaError):
        DeltaTable(delta_path(lake, INVOICE_LINES)).history()
    assert row_version(lake, INVOICE_LINES) == 4
    DeltaTable(delta_path(lake, INVOICE_LINES)).optimize.compact()
    assert version_of(lake, INVOICE_LINES) == 5
    with pytest.raises(DeltaError):
        DeltaTable(delta_path(lake, INVOICE_LINES)).history()
    assert row_version(lake, INVOICE_LINES) == 4


def test_rolling_back_reads_no_more_of_the_log_than_the_version(lake: Lab) -> None:
    append_rows(lake, INVOICE_LINES, 2, first=2000)
    without_its_first_commits(lake, 3)
    assert rollback(lake, INVOICE_LINES, 5)["rows"] == 100


def test_rows_that_no_known_commit_brought_are_those_of_the_latest_version(lake: Lab) -> None:
    """The commit that wrote them has left the log; what is left is of the care of the tables."""
    join_and_remove(lake)
    path = delta_path(lake, INVOICE_LINES)
    DeltaTable(path).create_checkpoint()
    for version in range(4):
        (path / "_delta_log" / f"{version:020}.json").unlink()
    assert row_version(lake, INVOICE_LINES) == version_of(lake, INVOICE_LINES) == 6


def test_the_program_prints_its_result_as_its_last_line(
    lake: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(timetravel, "load_lab", lambda: lake)
    assert main(["history", INVOICE_LINES.full_name, "--limit", "2"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1].removeprefix("RESULT "))
    assert [row["version"] for row in told] == [3, 2]
    assert main(["rollback", INVOICE_LINES.full_name, "1"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1].removeprefix("RESULT "))["rows"] == 20


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["rollback", INVOICE_LINES.full_name, "7"], "has no version 7. It has: 3, 2, 1, 0"),
        (["history", "delta.silver_lakehouse.nothing"], "there is no table 'delta.silver_lakehouse.nothing'"),
    ],
)
def test_the_program_ends_with_the_error_and_its_text(
    arguments: list[str], text: str, lake: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(timetravel, "load_lab", lambda: lake)
    assert main(arguments) != 0
    assert text in capsys.readouterr().err
