"""The suite of the project: what breaks which rule, and that the thresholds fit what they were made for."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from lines import bronze
from quintet.lakehouse.normalise import normalise
from quintet.lakehouse.rules import LIMITS, SUITE
from quintet.quality import GroupCount, Severity, decide
from quintet.quality.evaluate import REASONS, with_reasons

#: Changes of a good line to the rules that it then breaks.
CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"invoice_no": None}, ["invoice_number_missing"]),
    ({"stock_code": " "}, ["stock_code_missing"]),
    ({"country": None}, ["country_missing"]),
    ({"invoice_date": "2010-02-30 12:00:00"}, ["invoice_date_unreadable"]),
    ({"invoice_date": None}, ["invoice_date_unreadable"]),
    ({"quantity": "six"}, ["quantity_unreadable"]),
    ({"unit_price": "n/a"}, ["unit_price_unreadable"]),
    ({"customer_id": "unknown"}, ["customer_unreadable"]),
    ({"customer_id": None}, []),
    ({"quantity": "0"}, ["quantity_zero"]),
    ({"quantity": "-100000"}, []),
    ({"quantity": "100001"}, ["quantity_absurd"]),
    ({"quantity": "-100001"}, ["quantity_absurd"]),
    ({"unit_price": "100000.01"}, ["unit_price_absurd"]),
    ({"unit_price": "-1"}, ["unit_price_negative"]),
    ({"unit_price": "-1", "stock_code": "POST"}, ["unit_price_negative"]),
    ({"unit_price": "-11062.06", "stock_code": "B", "invoice_no": "A563186"}, []),
    ({"invoice_no": "C536365"}, ["cancellation_not_negative"]),
    ({"invoice_no": "C536365", "quantity": "-6"}, []),
    ({"invoice_no": "C536365", "quantity": "0"}, ["quantity_zero", "cancellation_not_negative"]),
    ({"invoice_date": "2010-12-02 23:59:00"}, []),
    ({"invoice_date": "2010-12-03 00:00:00"}, ["invoice_date_in_future"]),
    ({"invoice_date": "2010-11-03 00:00:00"}, []),  # late, not wrong
    ({"_file_date": None}, []),
    ({"_file_date": None, "invoice_date": "2999-01-01 00:00:00"}, ["invoice_date_in_future"]),
    ({"invoice_date": "1899-12-30 00:00:00"}, ["invoice_date_too_old"]),
    ({"stock_code": "A" * 21}, ["stock_code_too_long"]),
    ({"description": "A" * 200}, []),
    ({"description": "A" * 201}, ["description_too_long"]),
    ({"description": None}, []),
    ({"country": "X"}, ["country_length", "country_unknown"]),
    ({"country": "Atlantis"}, ["country_unknown"]),
    ({"invoice_no": "INV-1"}, ["invoice_number_form"]),
    ({"stock_code": "8512#"}, ["stock_code_form"]),
    (
        {"quantity": "x", "unit_price": "x", "invoice_date": "x", "customer_id": "x"},
        ["invoice_date_unreadable", "quantity_unreadable", "unit_price_unreadable", "customer_unreadable"],
    ),
]


@pytest.fixture(scope="module")
def judged(spark: SparkSession) -> list[Row]:
    lines = normalise(bronze(spark, [change for change, _ in CASES]))
    return sorted(with_reasons(lines, SUITE.rows).collect(), key=lambda row: row["_line_number"])


@pytest.mark.parametrize("place", range(len(CASES)), ids=[str(change or "good") for change, _ in CASES])
def test_a_line_breaks_the_rules_that_its_fault_is_about(judged: list[Row], place: int) -> None:
    assert judged[place][REASONS] == CASES[place][1]


def test_every_row_rule_has_a_line_that_breaks_it() -> None:
    assert {reason for _, reasons in CASES for reason in reasons} == {rule.name for rule in SUITE.rows}


def test_the_suite_has_rules_of_many_kinds_and_each_says_why() -> None:
    assert len({rule.kind for rule in SUITE.rules}) >= 15
    assert [rule.name for rule in SUITE.rules if not rule.why] == []


def test_every_rule_that_stops_a_batch_says_what_to_do() -> None:
    critical = [rule for rule in SUITE.rules if rule.severity is Severity.CRITICAL]
    assert critical
    assert [rule.name for rule in critical if not rule.remedy] == []


def test_nobody_can_waive_what_the_published_table_requires() -> None:
    assert set(SUITE.unwaivable(SUITE.holding)) == {
        "invoice_number_missing",
        "stock_code_missing",
        "country_missing",
        "invoice_date_unreadable",
        "quantity_unreadable",
        "unit_price_unreadable",
        "customer_unreadable",
    }


@pytest.mark.parametrize(("rows", "held", "publishes"), [(5331, 50, True), (5331, 51, False), (279, 14, False)])
def test_the_limits_of_a_poison_file(rows: int, held: int, publishes: bool) -> None:
    assert decide([], [GroupCount("h", date(2011, 2, 6).isoformat(), rows, held)], LIMITS).publishes is publishes
