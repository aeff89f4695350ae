"""Which sale a return reverses.

A return of a customer and product reverses the latest sale of the same customer and product that is strictly earlier
and of which enough pieces are left; one sale may serve several returns until it is used up. Returns choose in the
order of their time. Of sales at one instant the one with the greater `invoice_line_id` is the later, of returns the
one with the lesser chooses first, so that the result depends on the lines alone. Guests' returns stay unmatched.

Choosing is sequential, because what is left of a sale depends on the returns before. It is a fold over the lines of
each customer and product inside Spark's own engine: no Python worker is started for it.

Source: own derivation.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

__all__ = ["LOOK_BACK", "PAIR", "match_returns"]

#: What a return and its sale have in common.
PAIR = ("customer_id", "product_id")

#: Open sales of one customer and product that a return may choose from, the latest first. It bounds the work for a
#: line; more open sales of one product to one customer than this are no shop's.
LOOK_BACK = 1000

_OPEN = "array<struct<sale: string, left: int>>"
_FOUND = "array<struct<invoice_line_id: string, reverses_invoice_line_id: string>>"


def match_returns(lines: DataFrame) -> DataFrame:
    """Sale that each return reverses; one row a matched return.

    `lines` holds all silver lines of the pairs in it; lines that are neither sale nor return do no harm.

    Shapes: in: customer_id, product_id, invoice_line_id, line_type, quantity, invoiced_at. Out: invoice_line_id,
    reverses_invoice_line_id (string).
    """
    is_return = (F.col("line_type") == "return") & (F.col("quantity") < 0)
    is_sale = (F.col("line_type") == "sale") & (F.col("quantity") > 0)
    known = lines.where(F.col("customer_id").isNotNull())
    with_returns = known.where(is_return).select(*PAIR).distinct()
    # In the order of the fields; a return comes before the sales of its instant, which are not earlier.
    event = F.struct("invoiced_at", is_sale.alias("is_sale"), "invoice_line_id", "quantity")
    folded = (
        known.where(is_return | is_sale)
        .join(with_returns, on=list(PAIR), how="left_semi")
        .groupBy(*PAIR)
        .agg(F.array_sort(F.collect_list(event)).alias("_events"))
        .select(F.explode(_fold(F.col("_events"))).alias("_match"))
    )
    return folded.select("_match.invoice_line_id", "_match.reverses_invoice_line_id")


def _fold(events: Column) -> Column:
    start = F.struct(F.array().cast(_OPEN).alias("open"), F.array().cast(_FOUND).alias("found"))
    return F.aggregate(events, start, _step, lambda state: state["found"])


def _step(state: Column, event: Column) -> Column:
    return F.when(event["is_sale"], _sell(state, event)).otherwise(_give_back(state, event))


def _sell(state: Column, event: Column) -> Column:
    sale = F.struct(event["invoice_line_id"].alias("sale"), event["quantity"].alias("left"))
    latest_first = F.slice(F.concat(F.array(sale), state["open"]), 1, LOOK_BACK)
    return F.struct(latest_first.cast(_OPEN).alias("open"), state["found"].alias("found"))


def _give_back(state: Column, event: Column) -> Column:
    pieces = -event["quantity"]
    chosen = F.get(F.filter(state["open"], lambda sale: sale["left"] >= pieces), 0)["sale"]
    match = F.struct(event["invoice_line_id"].alias("invoice_line_id"), chosen.alias("reverses_invoice_line_id"))
    rest = F.transform(
        state["open"],
        lambda sale: F.struct(
            sale["sale"].alias("sale"),
            F.when(sale["sale"].eqNullSafe(chosen), sale["left"] - pieces).otherwise(sale["left"]).alias("left"),
        ),
    )
    still_open = F.filter(rest, lambda sale: sale["left"] > 0)
    found = F.when(chosen.isNull(), state["found"]).otherwise(F.concat(state["found"], F.array(match)))
    return F.struct(still_open.cast(_OPEN).alias("open"), found.cast(_FOUND).alias("found"))
