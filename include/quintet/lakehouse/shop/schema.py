"""Make the shop's schema, and take its rows away."""

from __future__ import annotations

from pathlib import Path

from quintet.catalogue.shop import SHOP
from quintet.cdc.database import connect
from quintet.settings import Lab

__all__ = ["create", "empty"]

_SCRIPT = Path(__file__).with_name("schema.sql")
#: Any number; two programs that make the schema at once wait for each other.
_LOCK = 7_261_304


def create(lab: Lab) -> None:
    """Make what is missing of tables, publication and rights.

    Raises:
        ServiceDownError: PostgreSQL does not answer.

    """
    with connect(lab, SHOP.database) as shop:
        shop.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        shop.execute(_SCRIPT.read_text(encoding="utf-8"))


def empty(lab: Lab) -> None:
    """Delete every row, one by one: the capture sees each of them go, which it would not of a truncation.

    Raises:
        ServiceDownError: PostgreSQL does not answer.

    """
    with connect(lab, SHOP.database) as shop:
        for table in ("payments", "order_lines", "orders", "addresses", "customers", "products"):
            shop.execute(f"delete from {SHOP.database_schema}.{table}")
