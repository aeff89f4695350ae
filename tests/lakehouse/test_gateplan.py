"""Which files the gate judges: no Spark."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from deltalake import DeltaTable

from bronze import line, with_tables, write_day
from days import balance, landed
from quintet.catalogue.lakehouse import INVOICE_LINES_RAW
from quintet.lake.tables import delta_path
from quintet.lakehouse.gateplan import Plan, Selection, make_plan
from quintet.quality.groups import HISTORY
from quintet.settings import Lab


@pytest.fixture
def shop(lab: Lab) -> Lab:
    return with_tables(lab)


def names(plan: Plan) -> list[str]:
    return sorted(entry.source_file for entry in plan.batch)


def test_pending_files_are_those_that_silver_has_not_balanced(shop: Lab, tmp_path: Path) -> None:
    landed(shop, [write_day(tmp_path, "2025-01-01.csv", [line(1)]), write_day(tmp_path, "2025-01-02.csv", [line(2)])])
    assert names(make_plan(shop, Selection())) == ["2025-01-01.csv", "2025-01-02.csv"]
    balance(shop, "2025-01-01.csv")
    plan = make_plan(shop, Selection())
    assert names(plan) == ["2025-01-02.csv"]
    assert [entry.source_file for entry in plan.history] == ["2025-01-01.csv"]
    assert plan.bronze_version == DeltaTable(delta_path(shop, INVOICE_LINES_RAW)).version()


def test_a_range_takes_published_files_too_and_leaves_files_without_day_out(shop: Lab, tmp_path: Path) -> None:
    for place, name in enumerate(("2025-01-01.csv", "2025-01-02.csv", "2025-01-03.csv", "extra.csv")):
        landed(shop, [write_day(tmp_path, name, [line(place)])])
        balance(shop, name)
    assert names(make_plan(shop, Selection())) == []
    assert names(make_plan(shop, Selection(from_=date(2025, 1, 2)))) == ["2025-01-02.csv", "2025-01-03.csv"]
    assert names(make_plan(shop, Selection(to=date(2025, 1, 1)))) == ["2025-01-01.csv"]
    assert len(names(make_plan(shop, Selection(full_refresh=True)))) == 4


def test_only_the_newest_version_of_a_file_is_judged(shop: Lab, tmp_path: Path) -> None:
    landed(shop, [write_day(tmp_path, "2025-01-01.csv", [line(1)])])
    landed(shop, [write_day(tmp_path, "2025-01-01.csv", [line(2)])])
    plan = make_plan(shop, Selection(full_refresh=True))
    assert [entry.file_version for entry in plan.batch] == [2]
    assert [entry.file_version for entry in plan.superseded] == [1]


def test_a_header_alone_is_nothing_to_judge(shop: Lab, tmp_path: Path) -> None:
    landed(shop, [write_day(tmp_path, "2025-01-01.csv", [])])
    assert names(make_plan(shop, Selection(full_refresh=True))) == []


def test_a_published_file_is_pending_again_when_its_quarantine_has_changed(shop: Lab, tmp_path: Path) -> None:
    landed(shop, [write_day(tmp_path, "2025-01-01.csv", [line(1), line(2)])])
    balance(shop, "2025-01-01.csv", quarantined=1)
    assert names(make_plan(shop, Selection())) == ["2025-01-01.csv"]


def test_history_is_bounded_and_earlier_but_for_days_between_those_of_the_batch(shop: Lab, tmp_path: Path) -> None:
    files = [write_day(tmp_path, f"2025-{1 + day // 28:02}-{1 + day % 28:02}.csv", [line(day)]) for day in range(80)]
    landed(shop, files)
    late, last = files[70].name, files[75].name
    balance(shop, *(file.name for file in files if file.name not in {late, last}))
    plan = make_plan(shop, Selection())
    assert names(plan) == [late, last]
    history = [entry.source_file for entry in plan.history]
    assert sorted(history) == [file.name for file in files[70 - HISTORY : 70] + files[71:75]]


def test_a_landing_killed_before_its_ledger_is_seen(shop: Lab, tmp_path: Path) -> None:
    landed(shop, [write_day(tmp_path, "2025-01-01.csv", [line(1)])])
    ledger = DeltaTable(delta_path(shop, INVOICE_LINES_RAW).with_name("files"))
    ledger.delete()
    assert names(make_plan(shop, Selection())) == ["2025-01-01.csv"]
