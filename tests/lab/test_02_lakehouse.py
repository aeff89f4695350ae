"""Project lakehouse end to end: generated input, proof, reruns, poison, back-fill, care."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.lab.conftest import LabUnderTest

pytestmark = pytest.mark.lab

DAYS, SEED = "12", "11"
SILVER = ("invoice_lines", "customers", "products", "day_balance")


@pytest.fixture(scope="module")
def shop(installed: LabUnderTest) -> Path:
    """Generated input whose day 9 is poison; it starts without that day."""
    folder = installed.lab.path("input") / "test-shop"
    shutil.rmtree(folder, ignore_errors=True)
    installed.quintet("generate", "lakehouse", "--days", DAYS, "--seed", SEED, "--out", str(folder))
    return folder


def fingerprint(lab: LabUnderTest) -> dict[str, str]:
    """One checksum over all rows and columns of each silver table, independent of order."""
    found = {}
    for name in SILVER:
        columns = [
            row["column"]
            for row in lab.sql(
                'select column_name as "column" from delta.information_schema.columns '
                f"where table_schema = 'silver_lakehouse' and table_name = '{name}' order by ordinal_position"
            )
        ]
        row = ", ".join(f'"{column}"' for column in columns)
        found[name] = str(lab.value(f"select to_hex(checksum(row({row}))) from delta.silver_lakehouse.{name}"))
    return found


def test_a_run_ends_with_results_and_the_proof_holds(installed: LabUnderTest, shop: Path) -> None:
    done = json.loads(installed.quintet("run", "lakehouse", "--fresh", "--input", str(shop), "--json").stdout)
    assert done["state"] == "success"
    assert done["peak_memory_mb"] < 8192
    report = json.loads(installed.quintet("verify", "lakehouse", "--json").stdout)
    assert report["checks"]
    assert [check for check in report["checks"] if not check["ok"]] == []


def test_a_second_run_lands_nothing_and_changes_no_row(installed: LabUnderTest, shop: Path) -> None:
    before = fingerprint(installed)
    lines = installed.value("select count(*) from delta.bronze_lakehouse.invoice_lines")
    installed.quintet("run", "lakehouse", "--input", str(shop))
    assert installed.value("select count(*) from delta.bronze_lakehouse.invoice_lines") == lines
    assert fingerprint(installed) == before


def test_a_full_refresh_gives_identical_silver_tables(installed: LabUnderTest, shop: Path) -> None:
    before = fingerprint(installed)
    installed.quintet("run", "lakehouse", "--input", str(shop), "--full-refresh", "--yes")
    assert fingerprint(installed) == before
    installed.quintet("verify", "lakehouse")


def test_a_poison_day_stops_the_run_and_its_repair_publishes(installed: LabUnderTest, shop: Path) -> None:
    before = fingerprint(installed)
    alerts = len(installed.alerts())
    day = sorted((shop / "by_day").glob("*.csv"))[-1]
    broken = day.with_name("2031-01-02.csv")
    header, *lines = day.read_text(encoding="utf-8").splitlines()
    rotten = [
        line.replace(line.split(",")[3], "many", 1) if index % 3 == 0 else line for index, line in enumerate(lines)
    ]
    broken.write_text("\n".join([header, *rotten, ""]), encoding="utf-8")

    failed = installed.quintet("run", "lakehouse", "--input", str(shop), expect=None)
    assert failed.returncode != 0
    assert "2031-01-02.csv" in failed.stdout + failed.stderr
    assert fingerprint(installed) == before
    assert any("2031-01-02.csv" in json.dumps(alert) for alert in installed.alerts()[alerts:])
    rows = json.loads(installed.quintet("quarantine", "list", "lakehouse", "--json").stdout)
    assert any("2031-01-02.csv" in json.dumps(row) for row in (rows if isinstance(rows, list) else rows["rows"]))

    broken.write_text("\n".join([header, ""]), encoding="utf-8")
    installed.quintet("run", "lakehouse", "--input", str(shop))
    after = fingerprint(installed)
    assert after["invoice_lines"] == before["invoice_lines"]
    assert after["day_balance"] != before["day_balance"]


def test_care_compacts_and_records_before_and_after(installed: LabUnderTest) -> None:
    before = fingerprint(installed)
    done = json.loads(installed.quintet("run", "lakehouse", "--dag", "lakehouse_care_tables", "--json").stdout)
    assert done["state"] == "success"
    assert fingerprint(installed) == before
