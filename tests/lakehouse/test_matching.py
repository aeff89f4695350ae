"""Returns find their sales: each rule on a few lines, then many random ones against a plain reading of the rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pyspark", reason="the spark environment has it")
from quintet.lakehouse.matching import match_returns

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SCHEMA = (
    "customer_id long, product_id string, invoice_line_id string, line_type string, quantity int, "
    "invoiced_at timestamp_ntz"
)


@dataclass(frozen=True)
class Line:
    name: str
    quantity: int
    minute: int
    customer: int | None = 1
    product: str = "p"
    kind: str = ""

    @property
    def line_type(self) -> str:
        return self.kind or ("return" if self.quantity < 0 else "sale")


def matches(spark: SparkSession, lines: list[Line]) -> dict[str, str]:
    start = datetime(2020, 1, 1)
    rows = [
        (each.customer, each.product, each.name, each.line_type, each.quantity, start + timedelta(minutes=each.minute))
        for each in lines
    ]
    found = match_returns(spark.createDataFrame(rows, SCHEMA)).collect()
    return {row["invoice_line_id"]: row["reverses_invoice_line_id"] for row in found}


def test_a_return_takes_the_latest_earlier_sale(spark: SparkSession) -> None:
    assert matches(spark, [Line("a", 5, 1), Line("b", 5, 2), Line("c", 5, 4), Line("r", -5, 3)]) == {"r": "b"}


def test_a_sale_without_enough_pieces_is_passed_over(spark: SparkSession) -> None:
    assert matches(spark, [Line("a", 5, 1), Line("b", 2, 2), Line("r", -3, 3)]) == {"r": "a"}


def test_one_sale_serves_several_returns_until_it_is_used_up(spark: SparkSession) -> None:
    lines = [Line("a", 5, 1), Line("b", 4, 2), Line("r", -3, 3), Line("s", -1, 4), Line("t", -1, 5), Line("u", -9, 6)]
    assert matches(spark, lines) == {"r": "b", "s": "b", "t": "a"}


def test_guests_other_customers_other_products_and_other_types_do_not_match(spark: SparkSession) -> None:
    lines = [
        Line("guest sale", 5, 1, customer=None),
        Line("guest return", -5, 2, customer=None),
        Line("another customer", 5, 1, customer=2),
        Line("another product", 5, 1, product="q"),
        Line("fee", 5, 1, kind="fee"),
        Line("adjustment", -1, 3, kind="adjustment"),
        Line("r", -5, 2),
    ]
    assert matches(spark, lines) == {}


def test_a_sale_at_the_same_instant_is_not_earlier_and_ties_are_broken_by_name(spark: SparkSession) -> None:
    assert matches(spark, [Line("a", 5, 1), Line("r", -5, 1)]) == {}
    assert matches(spark, [Line("b", 5, 1), Line("a", 5, 1), Line("r", -5, 2)]) == {"r": "b"}
    assert matches(spark, [Line("a", 5, 1), Line("s", -5, 2), Line("r", -5, 2)]) == {"r": "a"}


def oracle(lines: list[Line]) -> dict[str, str]:
    found: dict[str, str] = {}
    left = {each.name: each.quantity for each in lines if each.line_type == "sale"}
    for back in sorted((each for each in lines if each.line_type == "return"), key=lambda r: (r.minute, r.name)):
        sales = [
            each
            for each in lines
            if each.name in left
            and back.customer is not None
            and (each.customer, each.product) == (back.customer, back.product)
            and each.minute < back.minute
            and left[each.name] >= -back.quantity
        ]
        if sales:
            chosen = max(sales, key=lambda sale: (sale.minute, sale.name))
            found[back.name] = chosen.name
            left[chosen.name] += back.quantity
    return found


def test_many_random_lines_match_as_the_rules_read(spark: SparkSession) -> None:
    rng = Random(7)  # noqa: S311 - data, not secrets
    lines = [
        Line(
            f"{number:05}",
            rng.choice([1, 2, 3, 6, 12, -1, -1, -2, -3, -7]),
            rng.randrange(40),
            customer=rng.choice([*range(12), None]),
            product=rng.choice("pqr"),
        )
        for number in range(1500)
    ]
    expected = oracle(lines)
    assert len(expected) > 200
    assert matches(spark, lines) == expected
