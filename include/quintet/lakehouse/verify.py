"""The proof of the project: tables compared with the truth of the input, through Trino.

Every check is one query whose single value must equal what the truth says; metrics that a truth lacks are not checked.
Invariants (conservation, unique keys, gold = silver) are checked for any input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from quintet.lakehouse.truth import Truth

__all__ = ["Check", "checks"]

#: Runs a statement and returns all rows.
Ask = Callable[[str], list[list[Any]]]

BRONZE = "delta.bronze_lakehouse.invoice_lines"
SILVER = "delta.silver_lakehouse.invoice_lines"
BALANCE = "delta.silver_lakehouse.day_balance"
GOLD = "iceberg.gold_lakehouse"

#: Metric of the truth -> query of its value.
METRICS = {
    "bronze_lines": f"select count(*) from {BRONZE}",
    "invoices": f"select count(distinct invoice_no) from {BRONZE}",
    "stock_codes": f"select count(distinct stock_code) from {BRONZE}",
    "customers": f"select count(distinct customer_id) from {BRONZE}",
    "countries": f"select count(distinct country) from {BRONZE}",
    "guest_lines": f"select count(*) from {BRONZE} where customer_id is null",
    "cancellation_lines": f"select count(*) from {BRONZE} where invoice_no like 'C%'",
    "net_value_gbp": "select coalesce(sum(try_cast(quantity as bigint) * try_cast(unit_price as decimal(18,4))), 0) "
    f"from {BRONZE}",
    "customer_change_lines": "select count(*) from delta.bronze_lakehouse.customer_changes",
    "product_change_lines": "select count(*) from delta.bronze_lakehouse.product_changes",
    "exact_duplicates": f"select coalesce(sum(exact_duplicate_rows), 0) from {BALANCE}",
    "business_duplicates": f"select coalesce(sum(business_duplicate_rows), 0) from {BALANCE}",
    "quarantined": f"select coalesce(sum(quarantined_rows), 0) from {BALANCE}",
    "silver_lines": f"select count(*) from {SILVER}",
    "sales": f"select count(*) from {SILVER} where line_type = 'sale'",
    "returns": f"select count(*) from {SILVER} where line_type = 'return'",
    "adjustments": f"select count(*) from {SILVER} where line_type = 'adjustment'",
    "fees": f"select count(*) from {SILVER} where line_type = 'fee'",
    "silver_net_value_gbp": f"select sum(line_amount_gbp) from {SILVER}",
    "silver_invoices": f"select count(distinct invoice_id) from {SILVER}",
    "silver_products": f"select count(distinct product_id) from {SILVER}",
    "silver_customers": f"select count(distinct customer_id) from {SILVER}",
    "silver_countries": f"select count(distinct country) from {SILVER}",
    "matched_returns": f"select count(reverses_invoice_line_id) from {SILVER}",
    "dim_customers": "select count(distinct customer_id) from delta.silver_lakehouse.customers",
    "customer_versions": "select count(*) from delta.silver_lakehouse.customers",
    "deleted_customers": "select count(*) from delta.silver_lakehouse.customers where is_current and is_deleted",
    "previous_segment_customers": "select count(distinct customer_id) from delta.silver_lakehouse.customers "
    "where previous_segment is not null",
    "dim_products": "select count(distinct product_id) from delta.silver_lakehouse.products where is_product",
    "product_versions": "select count(*) from delta.silver_lakehouse.products where is_product",
    "deleted_products": "select count(*) from delta.silver_lakehouse.products "
    "where is_product and is_current and is_deleted",
}

#: Name -> query whose value must be 0.
INVARIANTS = {
    "files out of balance": f"select count(*) from {BALANCE} where bronze_rows <> silver_rows + exact_duplicate_rows "
    "+ business_duplicate_rows + quarantined_rows + superseded_rows",
    "bronze lines without a balance": f"select count(*) from {BRONZE} where _file_hash not in "
    f"(select file_hash from {BALANCE})",
    "silver lines with a repeated key": f"select count(*) - count(distinct invoice_line_id) from {SILVER}",
    "returns matched to a sale that is not there": f"select count(*) from {SILVER} r left join {SILVER} s "
    "on r.reverses_invoice_line_id = s.invoice_line_id and s.line_type = 'sale' "
    "where r.reverses_invoice_line_id is not null and s.invoice_line_id is null",
    "customers with other than one current version": "select count(*) from (select customer_id from "
    "delta.silver_lakehouse.customers group by 1 having count_if(is_current) <> 1)",
    "gold sales missing or surplus": f"select abs((select count(*) from {GOLD}.fct_sales) - "
    f"(select count(*) from {SILVER} where line_type = 'sale'))",
    "gold returns missing or surplus": f"select abs((select count(*) from {GOLD}.fct_returns) - "
    f"(select count(*) from {SILVER} where line_type = 'return'))",
    "days whose gold revenue differs from silver": f"select count(*) from (select trade_date, sum(line_amount_gbp) "
    f"total from {SILVER} where line_type = 'sale' group by 1) s full join {GOLD}.revenue_daily g "
    "on s.trade_date = g.trade_date where coalesce(s.total, 0) <> coalesce(g.revenue_gbp, 0)",
}


@dataclass(frozen=True)
class Check:
    """One comparison; money is compared as a number, not as text."""

    name: str
    expected: str
    actual: str

    @property
    def ok(self) -> bool:
        """Whether both are the same value."""
        return self.expected == self.actual


def checks(truth: Truth, ask: Ask) -> Iterator[Check]:
    """Compare one thing after the other."""
    more = int((truth.poison or {}).get("after_repair", {}).get("more_bronze_lines", 0))
    for metric, expected in truth.expect.items():
        if metric not in METRICS:
            continue
        wanted = expected + more if metric == "bronze_lines" and isinstance(expected, int) else expected
        yield Check(metric, _text(wanted), _text(ask(METRICS[metric])[0][0]))
    for name, query in INVARIANTS.items():
        yield Check(name, "0", _text(ask(query)[0][0]))
    if truth.daily:
        yield from _daily(truth, ask)
    yield _files(truth, ask)


def _daily(truth: Truth, ask: Ask) -> Iterator[Check]:
    rows = ask(f"select cast(trade_date as varchar), revenue_gbp from {GOLD}.revenue_daily where revenue_gbp <> 0")
    actual = {day: _text(revenue) for day, revenue in rows}
    expected = {
        day: _text(facts["revenue_gbp"])
        for day, facts in truth.daily.items()
        if "revenue_gbp" in facts and Decimal(facts["revenue_gbp"]) != 0
    }
    wrong = sorted(day for day in actual.keys() | expected.keys() if actual.get(day) != expected.get(day))
    shown = "; ".join(f"{day}: {actual.get(day, 'none')}, not {expected.get(day, 'none')}" for day in wrong[:3])
    yield Check("days whose gold revenue differs from the truth", "0", f"{len(wrong)} ({shown})" if wrong else "0")


def _files(truth: Truth, ask: Ask) -> Check:
    known = set(truth.files.get("invoice_lines", {}).values())
    if truth.poison:
        known.add(truth.poison["repaired_sha256"])
    hashes = {row[0] for row in ask(f"select distinct _file_hash from {BRONZE}")}
    strangers = len(hashes - known) if known else 0
    return Check(
        "files that the truth does not know (empty the project first: quintet run --fresh)", "0", str(strangers)
    )


def _text(value: Any) -> str:
    """Write numbers in one form: no trailing zeros, no exponent."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return str(value)
    return f"{number.normalize():f}"
