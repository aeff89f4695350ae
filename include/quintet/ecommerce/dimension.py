"""The products as they were from each moment on: versions made of an input's catalogue, told ahead of the events.

Prices are planned: every change of an input is known before it holds. The last row says so (product 0, far ahead), so
that a stream that joins by time waits for nothing. Versions are rows of the shop's price list, from where the capture
brings them into their topic.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from quintet.catalogue.ecommerce import PRICE_LIST, PRODUCT_VERSIONS
from quintet.cdc.signals import wait_until_captured
from quintet.ecommerce import pricelist
from quintet.ecommerce.pricelist import END
from quintet.errors import InputError
from quintet.settings import Lab
from quintet.streams.avrobatch import arrow_type
from quintet.streams.schemas import value_schema

__all__ = ["END", "announce", "announce_end", "versions"]

#: Seconds for the capture to bring what was announced into the topic.
CAPTURED = 300.0
_OF_PRODUCT = ("category", "type", "brand", "inventory_count", "reorder_point")


def versions(folder: Path) -> pa.Table:
    """Versions in the order of their time, with the fields of the topic.

    Raises:
        InputError: the input has no catalogue.

    """
    try:
        products = pq.read_table(folder / "catalogue" / "products.parquet", columns=["product_id", *_OF_PRODUCT])
        prices = pq.read_table(folder / "catalogue" / "price_changes.parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"the input {folder} has no catalogue ({error})", remedy="Make one: quintet generate ecommerce --out …"
        ) from error
    found = prices.rename_columns({"changed_at": "valid_from"}).join(products, "product_id", join_type="inner")
    found = found.sort_by([("valid_from", "ascending"), ("product_id", "ascending")])
    return found.select(_schema().names).cast(_schema())


def announce(lab: Lab, folder: Path) -> int:
    """Have every version, and that there is none beyond, in the price list and its topic; how many rows these are.

    Announced again they are the same rows, and nothing comes into the topic.

    Raises:
        InputError: the input has no catalogue, or the price list holds that of another one.
        CaptureError: the capture has failed, or has not brought them within five minutes.
        ServiceDownError: PostgreSQL, Kafka Connect or the registry does not answer.

    """
    told = versions(folder)
    pricelist.add(lab, told)
    wait_until_captured(lab, PRICE_LIST, seconds=CAPTURED)
    return int(told.num_rows) + 1


def announce_end(lab: Lab) -> None:
    """Say again that there is no version beyond, as `announce` does at last; raises as it."""
    pricelist.add_end(lab)
    wait_until_captured(lab, PRICE_LIST, seconds=CAPTURED)


def _schema() -> pa.Schema:
    fields = value_schema(PRODUCT_VERSIONS)["fields"]
    return pa.schema([pa.field(field["name"], arrow_type(field["type"])) for field in fields])
