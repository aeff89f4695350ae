"""Project lakehouse end to end on generated input: the proof, and a second run."""

from __future__ import annotations

import json

import pytest
from tests.lab.conftest import LabUnderTest, Shop
from tests.lab.tables import fingerprint

pytestmark = pytest.mark.lab


def test_a_run_ends_with_results_and_the_proof_holds(installed: LabUnderTest, shop: Shop) -> None:
    assert shop.outcome["state"] == "success"
    assert shop.outcome["peak_memory_mb"] < 8192
    report = json.loads(installed.quintet("verify", "lakehouse", "--json").stdout)
    assert report["checks"]
    assert [check for check in report["checks"] if not check["ok"]] == []


def test_a_second_run_lands_nothing_and_changes_no_row(installed: LabUnderTest, shop: Shop) -> None:
    before = fingerprint(installed)
    lines = installed.value("select count(*) from delta.bronze_lakehouse.invoice_lines")
    shop.run(installed)
    assert installed.value("select count(*) from delta.bronze_lakehouse.invoice_lines") == lines
    assert fingerprint(installed) == before


def test_the_pages_of_the_run_are_published(installed: LabUnderTest, shop: Shop) -> None:
    docs = installed.lab.path("docs")
    assert "fct_sales" in (docs / "dbt" / "index.html").read_text(encoding="utf-8")
    assert (docs / "data_docs" / "index.html").is_file()
    judged = [page.read_text(encoding="utf-8") for page in (docs / "data_docs" / "validations").rglob("*.html")]
    assert any("unit_price_gbp" in page for page in judged)
    offline = docs / "data_docs" / "static" / "offline" / "tables.js"
    assert offline.is_file()
    assert [page for page in judged if offline.name not in page or 'src="http' in page] == []
