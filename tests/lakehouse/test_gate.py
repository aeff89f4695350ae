"""The gate: what passes, what is held back, what stops a run, and what is left behind each time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from bronze import rows, write_day
from days import balance, day_lines, landed
from expectations_library import LIBRARY_FILTERS
from paths import retail_days
from quintet.alerts import alert_log
from quintet.catalogue.lakehouse import (
    CUSTOMERS,
    DAY_BALANCE,
    GATE_RESULTS,
    INVOICE_LINES,
    INVOICE_LINES_RAW,
    PRODUCTS,
    QUARANTINE,
)
from quintet.errors import GateError, InputError
from quintet.lake.landing import land
from quintet.lake.tables import delta_path
from quintet.lakehouse.feeds import FEEDS, files_of
from quintet.lakehouse.gate import run_gate
from quintet.lakehouse.gateoutcome import passed_bronze_version
from quintet.lakehouse.gateplan import Selection
from quintet.lakehouse.generator import Scale, generate, repair
from quintet.lakehouse.held import Choice, replay
from quintet.quality import expectations
from quintet.settings import Lab

pytestmark = pytest.mark.filterwarnings(*LIBRARY_FILTERS)

PUBLISHED = (INVOICE_LINES, CUSTOMERS, PRODUCTS, DAY_BALANCE)
DAY = "2025-03-03"
NEXT = "2025-03-04"
#: On every second line of a file of 120 lines.
ROTTEN = {place: {"pieces": "many"} for place in range(2, 122, 2)}
NEGATIVE = {place: {"price": "-2.55"} for place in range(2, 122, 2)}

Gate = Callable[..., dict[str, Any]]


@pytest.fixture
def gate(spark: SparkSession, spark_lab: Lab) -> Gate:
    def run(run_id: str = "run", **selection: Any) -> dict[str, Any]:
        return run_gate(spark_lab, lambda: spark, run_id=run_id, selection=Selection(**selection))

    return run


@pytest.fixture
def without_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave Great Expectations out: its pages have tests of their own and take seconds."""
    monkeypatch.setattr(expectations, "publish", lambda *_, **__: [])
    monkeypatch.setattr(expectations, "start_import", lambda: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "by_day"


def versions(lab: Lab) -> dict[str, int]:
    return {table.name: DeltaTable(delta_path(lab, table)).version() for table in PUBLISHED}


def quarantine(lab: Lab) -> list[dict[str, Any]]:
    return sorted(rows(lab, QUARANTINE), key=lambda row: (row["_file_version"], row["_line_number"]))


def results(lab: Lab, run_id: str) -> dict[str, dict[str, Any]]:
    found = pa.table(DeltaTable(delta_path(lab, GATE_RESULTS)).scan(predicate=f"run_id = '{run_id}'")).to_pylist()
    return {row["rule"]: row for row in found}


def alerts(lab: Lab) -> list[dict[str, Any]]:
    log = alert_log(lab)
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


def test_a_poison_day_stops_the_run_and_says_file_rule_lines_and_remedy(
    spark_lab: Lab, gate: Gate, folder: Path
) -> None:
    changes = ROTTEN | {3: {"country": ""}, 5: {"country": ""}}
    landed(spark_lab, [write_day(folder, f"{DAY}.csv", day_lines(120, day=DAY))])
    landed(spark_lab, [write_day(folder, f"{NEXT}.csv", day_lines(120, day=NEXT, changes=changes))])
    before = versions(spark_lab)

    with pytest.raises(GateError) as caught:
        gate("poison")

    text = str(caught.value)
    assert f"the gate refused {NEXT}.csv (of 2 files); nothing was published" in text
    assert "62 of 120 rows (51.7%) break rules" in text
    assert "quantity_unreadable: 60 rows, first on lines 2, 4, 6, 8, 10" in text
    assert "country_missing: 2 rows, first on lines 3, 5" in text
    assert f"quintet quarantine replay lakehouse --file {NEXT}.csv" in text
    assert versions(spark_lab) == before

    held = quarantine(spark_lab)
    assert len(held) == 62
    assert {row["_source_file"] for row in held} == {f"{NEXT}.csv"}
    assert (held[0]["quantity"], held[0]["_reasons"], held[0]["_status"]) == ("many", "quantity_unreadable", "open")
    assert {row["_run_id"] for row in held} == {"poison"}

    (alert,) = alerts(spark_lab)
    assert (alert["severity"], alert["source"], alert["project"], alert["run_id"]) == (
        "critical",
        "gate",
        "lakehouse",
        "poison",
    )
    assert "first on lines 2, 4" in alert["detail"]
    assert "under the same name" in alert["remedy"]

    found = results(spark_lab, "poison")
    assert not found["decision"]["passed"]
    assert found["quantity_unreadable"]["source_file"] == f"{NEXT}.csv"
    assert (found["quantity_unreadable"]["rows_checked"], found["quantity_unreadable"]["rows_failed"]) == (240, 60)
    with pytest.raises(GateError, match="refused"):
        passed_bronze_version(spark_lab, "poison")

    report = json.loads((spark_lab.path("docs") / "gate" / "latest.json").read_text(encoding="utf-8"))
    assert not report["published"]
    assert report["disagreements"] == []
    assert (spark_lab.path("docs") / "data_docs" / "index.html").exists()


@pytest.mark.usefixtures("without_pages")
def test_few_broken_rows_go_to_quarantine_and_the_others_pass(spark_lab: Lab, gate: Gate, folder: Path) -> None:
    changes = {9: {"pieces": "0", "price": "-1"}, 50: {"time": "2025-02-30 12:00:00"}}
    landed(spark_lab, [write_day(folder, f"{DAY}.csv", day_lines(120, day=DAY, changes=changes))])
    result = gate("few")
    assert (result["files"], result["rows"], result["quarantined"]) == (1, 120, 2)
    assert [(row["_line_number"], row["_reasons"]) for row in quarantine(spark_lab)] == [
        (9, "quantity_zero,unit_price_negative"),
        (50, "invoice_date_unreadable"),
    ]
    (alert,) = alerts(spark_lab)
    assert (alert["severity"], alert["title"]) == ("warning", "2 rows of 1 file went to quarantine, the others pass")
    assert passed_bronze_version(spark_lab, "few") == DeltaTable(delta_path(spark_lab, INVOICE_LINES_RAW)).version()


@pytest.mark.long
@pytest.mark.usefixtures("without_pages")
def test_a_gate_that_runs_again_changes_nothing_but_its_time(spark_lab: Lab, gate: Gate, folder: Path) -> None:
    landed(spark_lab, [write_day(folder, f"{DAY}.csv", day_lines(120, day=DAY, changes={9: {"pieces": "0"}}))])
    gate("first")
    held, noted = quarantine(spark_lab), results(spark_lab, "first")
    again = gate("first")
    other = gate("second")
    assert quarantine(spark_lab) == held
    assert {row["_run_id"] for row in held} == {"first"}
    ignored = {"checked_at"}
    for rule, row in results(spark_lab, "first").items():
        assert {key: row[key] for key in row.keys() - ignored} == {
            key: noted[rule][key] for key in row.keys() - ignored
        }
    assert (again["quarantined"], other["quarantined"]) == (1, 1)
    assert results(spark_lab, "second").keys() == noted.keys()


@pytest.mark.long
@pytest.mark.usefixtures("without_pages")
def test_a_corrected_file_supersedes_the_poison_and_passes(spark_lab: Lab, gate: Gate, folder: Path) -> None:
    landed(spark_lab, [write_day(folder, f"{DAY}.csv", day_lines(120, day=DAY, changes=ROTTEN))])
    with pytest.raises(GateError):
        gate("poison")
    landed(spark_lab, [write_day(folder, f"{DAY}.csv", day_lines(120, day=DAY))])
    result = gate("repaired")
    assert (result["files"], result["rows"], result["quarantined"], result["superseded"]) == (1, 120, 0, 1)
    held = quarantine(spark_lab)
    assert len(held) == 60
    assert {row["_status"] for row in held} == {"superseded"}


@pytest.mark.usefixtures("without_pages")
def test_a_person_may_accept_rows_that_can_be_typed_and_the_next_gate_lets_them_through(
    spark_lab: Lab, gate: Gate, folder: Path
) -> None:
    changes = NEGATIVE | {3: {"pieces": "many"}, 5: {"customer": "unknown", "price": "-1"}}
    landed(spark_lab, [write_day(folder, f"{DAY}.csv", day_lines(120, day=DAY, changes=changes))])
    with pytest.raises(GateError):
        gate("poison")
    before = DeltaTable(delta_path(spark_lab, QUARANTINE)).version()
    with pytest.raises(InputError, match=r"line 3: quantity_unreadable\n"):
        replay(spark_lab, Choice(file=f"{DAY}.csv", lines=(3,)), by="ann")
    with pytest.raises(InputError, match="no open row"):
        replay(spark_lab, Choice(file="2025-01-01.csv"), by="ann")
    with pytest.raises(InputError, match="needs a name"):
        replay(spark_lab, Choice(), by=" ")
    assert DeltaTable(delta_path(spark_lab, QUARANTINE)).version() == before
    done = replay(spark_lab, Choice(rule="unit_price_negative"), by="ann")
    assert (done["replayed"], done["files"]) == (60, [f"{DAY}.csv"])
    assert done["refused"] == [
        {"file": f"{DAY}.csv", "line": 5, "reasons": ["customer_unreadable", "unit_price_negative"]}
    ]
    result = gate("accepted")
    assert (result["rows"], result["quarantined"]) == (120, 2)

    def decided() -> Counter[tuple[str, str | None, str]]:
        return Counter((row["_status"], row["_decided_by"], row["_run_id"]) for row in quarantine(spark_lab))

    assert decided() == {("replayed", "ann", "poison"): 60, ("open", None, "poison"): 2}
    # And Spark writes the table again after delta-rs did: a correction supersedes the accepted rows and the open ones.
    landed(spark_lab, [write_day(folder, f"{DAY}.csv", day_lines(119, day=DAY))])
    corrected = gate("corrected")
    assert (corrected["rows"], corrected["quarantined"], corrected["superseded"]) == (119, 0, 1)
    assert decided() == {("superseded", "ann", "poison"): 60, ("superseded", None, "poison"): 2}


@pytest.mark.usefixtures("without_pages")
def test_a_broken_critical_rule_stops_a_run_without_a_poison_file(spark_lab: Lab, gate: Gate, folder: Path) -> None:
    landed(spark_lab, [write_day(folder, f"{DAY}.csv", day_lines(120, day=DAY))])
    DeltaTable(delta_path(spark_lab, INVOICE_LINES_RAW)).delete("_line_number > 100")
    with pytest.raises(GateError) as caught:
        gate("lost")
    assert f"{DAY}.csv: 99 found, 120 expected" in str(caught.value)
    assert "Restore bronze" in caught.value.remedy
    assert quarantine(spark_lab) == []


@pytest.mark.usefixtures("without_pages")
def test_history_is_looked_at_but_not_judged(spark_lab: Lab, gate: Gate, folder: Path) -> None:
    for day in range(1, 13):
        # Every published day holds a broken row: it must not count again.
        name = f"2025-02-{day:02}"
        changes = {9: {"pieces": "0"}}
        landed(spark_lab, [write_day(folder, f"{name}.csv", day_lines(20, day=name, changes=changes))])
    balance(spark_lab, *(f"2025-02-{day:02}.csv" for day in range(1, 13)))
    landed(spark_lab, [write_day(folder, "2025-02-13.csv", day_lines(3000, day="2025-02-13"))])
    with pytest.raises(GateError) as caught:
        gate("huge")
    assert "rule volume_runaway: 1 of 1 broken (2025-02-13.csv: 3000 rows, usual are 20)" in str(caught.value)
    assert results(spark_lab, "huge")["decision"]["rows_checked"] == 3000


def test_with_nothing_pending_no_spark_starts_and_the_run_passes(spark_lab: Lab) -> None:
    def never() -> SparkSession:
        raise AssertionError("Spark was started")

    result = run_gate(spark_lab, never, run_id="idle", selection=Selection())
    assert (result["files"], result["rows"]) == (0, 0)
    assert passed_bronze_version(spark_lab, "idle") == 0
    with pytest.raises(GateError, match="no gate has judged"):
        passed_bronze_version(spark_lab, "another")


@pytest.mark.usefixtures("without_pages")
def test_what_the_generator_broke_is_held_back_exactly(spark_lab: Lab, gate: Gate, tmp_path: Path) -> None:
    truth = generate(tmp_path / "shop", days=12, seed=5, start=date(2025, 1, 1), scale=Scale(20, 100, 80), poison_day=9)
    for feed in FEEDS:
        assert not land(spark_lab, feed, files_of(feed, tmp_path / "shop"), batch_id="batch").refused
    poison = truth.poison
    assert poison is not None
    with pytest.raises(GateError, match=poison["file"]):
        gate("poison")
    held = [row for row in quarantine(spark_lab) if row["_source_file"] == poison["file"]]
    assert len(held) == poison["quarantined"]

    repair(tmp_path / "shop")
    landed(spark_lab, [tmp_path / "shop" / "by_day" / poison["file"]])
    result = gate("repaired")
    assert result["quarantined"] == truth.expect["quarantined"]
    opened = [row["_source_file"] for row in quarantine(spark_lab) if row["_status"] == "open"]
    expected = {name: counts["quarantined"] for name, counts in truth.per_file.items() if counts["quarantined"]}
    assert {name: opened.count(name) for name in opened} == expected


@pytest.mark.long
def test_nothing_of_the_real_days_is_held_back(spark_lab: Lab, gate: Gate) -> None:
    folder = retail_days()
    if folder is None:
        pytest.skip("the Online Retail set is not here: set QUINTET_INPUT to its folder")
    landed(spark_lab, sorted(folder.glob("*.csv")))
    result = gate("real")
    assert (result["files"], result["rows"], result["quarantined"]) == (305, 541_909, 0)
    assert result["disagreements"] == []
    # One day before Christmas had 22 % stock adjustments.
    assert result["warnings"] == ["line_types_unusual"]
    assert quarantine(spark_lab) == []
    assert alerts(spark_lab) == []


def test_times_of_results_are_those_of_the_run(spark_lab: Lab) -> None:
    at = datetime(2025, 3, 5, 6, tzinfo=UTC)
    run_gate(spark_lab, lambda: pytest.fail("nothing is pending"), run_id="idle", selection=Selection(), now=at)
    assert results(spark_lab, "idle")["decision"]["checked_at"] == at
