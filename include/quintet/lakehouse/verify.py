"""The proof of the project: tables compared with the truth of the input, through Trino.

Every check is one query whose single value must equal what the truth says; metrics that a truth lacks are not checked.
Invariants (conservation, unique keys, gold = silver) are checked for any input.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from quintet.check import Check
from quintet.errors import LabError, ServiceDownError
from quintet.lakehouse.truth import Truth

__all__ = ["checks"]

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


#: Part of a file's truth -> its sum in the balance. A version that was replaced counts nothing in them.
PARTS = {
    "bronze_lines": "bronze_rows - superseded_rows",
    "silver_lines": "silver_rows",
    "exact_duplicates": "exact_duplicate_rows",
    "business_duplicates": "business_duplicate_rows",
    "quarantined": "quarantined_rows",
}

#: Columns of gold that a truth knows for each trade date.
DAILY = {"revenue_gbp": "revenue", "returns_gbp": "returns", "net_gbp": "net value"}

STRANGERS = "files that the truth does not know (empty the project first: quintet run --fresh)"

#: Differences that a check names; the rest is counted.
SHOWN = 3


def checks(truth: Truth, ask: Ask) -> Iterator[Check]:
    """Compare one thing after the other; a question that is refused is a check that fails, and the next is asked.

    Raises:
        ServiceDownError: nobody answers.

    """
    for metric, expected in truth.expect.items():
        if metric in METRICS:
            yield _compared(metric, _text(expected), _of_input(METRICS[metric], truth), ask)
    for name, query in INVARIANTS.items():
        yield _compared(name, "0", query, ask)
    if truth.daily:
        yield from _daily(truth, ask)
    if truth.per_file:
        yield _guarded("parts of a file's balance that differ from the truth", lambda: _per_file(truth, ask))
    yield _guarded(STRANGERS, lambda: _strangers(truth, ask))


def _compared(name: str, expected: str, query: str, ask: Ask) -> Check:
    try:
        return Check(name, expected, _text(ask(query)[0][0]))
    except ServiceDownError:
        raise
    except LabError as error:
        return Check(name, expected, error.message)


def _guarded(name: str, find: Callable[[], list[str]]) -> Check:
    """A check that passes when nothing wrong is found."""
    try:
        wrong = find()
    except ServiceDownError:
        raise
    except LabError as error:
        return Check(name, "0", error.message)
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return Check(name, "0", f"{len(wrong)} ({'; '.join(wrong[:SHOWN])}{more})" if wrong else "0")


def _of_input(query: str, truth: Truth) -> str:
    """Leave out the lines of a poisoned file, which the truth does not count: bronze keeps them beside the repaired."""
    if not truth.poison:
        return query
    poisoned = truth.files["invoice_lines"][truth.poison["file"]]
    return query.replace(f"from {BRONZE}", f"from (select * from {BRONZE} where _file_hash <> '{poisoned}')")


def _daily(truth: Truth, ask: Ask) -> Iterator[Check]:
    for column, title in DAILY.items():
        expected = {day: facts[column] for day, facts in truth.daily.items() if column in facts}
        if expected:
            name = f"days whose gold {title} differs from the truth"
            yield _guarded(name, functools.partial(_days, column, expected, ask))


def _days(column: str, expected: Mapping[str, int | str], ask: Ask) -> list[str]:
    actual = dict(ask(f"select cast(trade_date as varchar), {column} from {GOLD}.revenue_daily"))
    # A day without trade is absent from gold, or from the truth.
    pairs = {day: (_text(actual.get(day, 0)), _text(expected.get(day, 0))) for day in actual.keys() | expected.keys()}
    return [f"{day}: {found}, not {wanted}" for day, (found, wanted) in sorted(pairs.items()) if found != wanted]


def _per_file(truth: Truth, ask: Ask) -> list[str]:
    sums = ", ".join(f"sum({column})" for column in PARTS.values())
    rows = ask(f"select source_file, {sums} from {BALANCE} group by 1")
    actual = {file: dict(zip(PARTS, values, strict=True)) for file, *values in rows}
    return [
        f"{file}: {part} {actual.get(file, {}).get(part, 'none')}, not {wanted[part]}"
        for file, wanted in sorted(truth.per_file.items())
        for part in PARTS
        if part in wanted and _text(actual.get(file, {}).get(part)) != _text(wanted[part])
    ]


def _strangers(truth: Truth, ask: Ask) -> list[str]:
    known = set(truth.files.get("invoice_lines", {}).values())
    if not known:
        return []
    if truth.poison:
        known.add(truth.poison["repaired_sha256"])
    rows = ask(f"select distinct _source_file, _file_hash from {BRONZE}")
    return sorted(str(file) for file, digest in rows if digest not in known)


def _text(value: Any) -> str:
    """Write numbers in one form: no trailing zeros, no exponent, no negative zero."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return str(value)
    return f"{number.normalize() + 0:f}"
