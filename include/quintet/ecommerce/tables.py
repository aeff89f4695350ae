"""Events as the world sees them: Arrow tables with the fields of their topics.

Beside these stands `arrived_at`, the time that the record in the topic carries, and nothing else; whatever
the generator knows about a record stays in its truth.
"""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from quintet.catalogue.ecommerce import EVENT_TOPICS
from quintet.ecommerce.columns import FILTERS, LINES, Columns
from quintet.ecommerce.defects import MALFORMED
from quintet.ecommerce.definitions import KINDS
from quintet.ecommerce.draws import Array
from quintet.ecommerce.sessions import Shop
from quintet.ecommerce.values import INSTANT, euros, instants, lists
from quintet.ecommerce.words import words
from quintet.streams.avrobatch import arrow_type, head
from quintet.streams.schemas import value_schema

__all__ = ["ARRIVED", "EVENTS", "MALFORMED_SCHEMA", "STRANGE", "UNKNOWN_SCHEMA_ID", "Texts", "event_schema"]

#: Folder of the days in an input, and name of the file of what is no event.
EVENTS, STRANGE = "by_day", "malformed"
#: Column of the arrival, behind the event's fields.
ARRIVED = "arrived_at"
MALFORMED_SCHEMA = pa.schema(
    [
        ("topic", pa.string()),
        ("way", pa.string()),
        ("is_framed", pa.bool_()),
        ("value", pa.binary()),
        (ARRIVED, INSTANT),
    ]
)
#: A number that no registry gives.
UNKNOWN_SCHEMA_ID = 2**31 - 1
_REFERRERS = (
    "https://search.example/",
    "https://news.example/deals",
    "https://social.example/feed",
    "https://mail.example/newsletter",
    "https://prices.example/compare",
)
_SEARCH_TYPES = ("full_text", "suggestion", "correction", "filter")
_FILTERS = ("in_stock:true", "price:0-25", "price:25-100", "price:100-500", "rating:4", "colour:black")
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_NO_PATH = "app://unknown"


def event_schema(kind: str) -> pa.Schema:
    """Arrow schema of a kind's events, the arrival behind the topic's fields."""
    fields = value_schema(EVENT_TOPICS[kind])["fields"]
    return pa.schema(
        [
            *(pa.field(field["name"], arrow_type(field["type"]), isinstance(field["type"], list)) for field in fields),
            pa.field(ARRIVED, INSTANT, False),
        ]
    )


class Texts:
    """What the world sees of the places of one shop."""

    def __init__(self, shop: Shop) -> None:
        categories = [f"/category/{category.key}" for category in words().categories]
        # In the order of the numbers of pages in sessions.py.
        pages = ["/", "/cart", "/checkout", "/help", *categories, *(f"/product/{id_}" for id_ in shop.assortment.ids)]
        self._shop = shop
        self._pages = pa.array([*pages, _NO_PATH])
        self._referrers = pa.array([*_REFERRERS, *pages])
        self._queries = pa.array([query.text for query in shop.queries.all])
        self._types, self._filters = pa.array(_SEARCH_TYPES), pa.array(_FILTERS)

    def table(self, kind: str, columns: Columns) -> pa.Table:
        """Events of one kind, in their order."""
        fields = getattr(self, f"_{kind}")(columns)
        fields |= {"timestamp": instants(columns["ts"]), ARRIVED: instants(columns["arrived"])}
        if "user" in columns:
            fields["user_id"] = pa.array(self._shop.people.ids[columns["user"]])
        if "session" in columns:
            fields["session_id"] = _session_ids(columns["session"], self._shop.assortment.seed)
        schema = event_schema(kind)
        return pa.Table.from_arrays([fields[name] for name in schema.names], schema=schema)

    def malformed(self, columns: Columns) -> pa.Table:
        """Records that are no events: their topic, in which way, their bytes without or with a head, their arrival."""
        values, framed = [], []
        for way, kind, nonce in zip(columns["way"], columns["kind"], columns["nonce"], strict=True):
            value, is_framed = _malformed(MALFORMED[way], KINDS[kind], int(nonce))
            values.append(value)
            framed.append(is_framed)
        return pa.table(
            {
                "topic": [EVENT_TOPICS[KINDS[kind]].name for kind in columns["kind"]],
                "way": [MALFORMED[way] for way in columns["way"]],
                "is_framed": framed,
                "value": values,
                ARRIVED: instants(columns["arrived"]),
            },
            schema=MALFORMED_SCHEMA,
        )

    def _page_view(self, columns: Columns) -> dict[str, pa.Array]:
        referrer = columns["referrer"]
        pages = np.where(columns["page"] < 0, len(self._pages) - 1, columns["page"])
        return {
            "page": self._pages.take(pa.array(pages)),
            "referrer": self._referrers.take(pa.array(referrer, mask=referrer < 0)),
        }

    def _add_to_cart(self, columns: Columns) -> dict[str, pa.Array]:
        return {
            "product_id": self._products(columns["product"]),
            "quantity": pa.array(columns["quantity"].astype(np.int32)),
        }

    def _purchase(self, columns: Columns) -> dict[str, pa.Array]:
        used = np.arange(LINES) < columns["lines"][:, None]
        lines = pa.StructArray.from_arrays(
            [
                self._products(columns["products"][used]),
                pa.array(columns["quantities"][used].astype(np.int32)),
                euros(columns["prices"][used], 12),
            ],
            fields=list(event_schema("purchase").field("products").type.value_type),
        )
        return {
            "order_id": pa.array(columns["order"]),
            "products": lists(lines, columns["lines"]),
            "total_amount": euros(columns["total"], 14),
        }

    def _inventory_update(self, columns: Columns) -> dict[str, pa.Array]:
        return {
            "product_id": self._products(columns["product"]),
            "quantity_delta": pa.array(columns["delta"].astype(np.int32)),
            "warehouse_id": pa.array(columns["warehouse"].astype(np.int32)),
        }

    def _search(self, columns: Columns) -> dict[str, pa.Array]:
        clicks = columns["clicks"]
        filtered = np.arange(FILTERS) < columns["filtered"][:, None]
        return {
            "query": self._queries.take(pa.array(columns["query"])),
            "results_count": pa.array(columns["results"].astype(np.int32)),
            "clicked_products": lists(self._products(clicks[clicks >= 0]), columns["clicked"]),
            "search_type": self._types.take(pa.array(columns["type"])),
            "filters_applied": lists(self._filters.take(pa.array(columns["filters"][filtered])), columns["filtered"]),
        }

    def _products(self, places: Array) -> pa.Array:
        return pa.array(self._shop.assortment.ids[places])


def _malformed(way: str, kind: str, nonce: int) -> tuple[bytes, bool]:
    if way == "no_avro":
        return json.dumps({"event": kind, "nonce": nonce}).encode(), False
    if way == "unknown_schema":
        return head(UNKNOWN_SCHEMA_ID) + nonce.to_bytes(8, "big"), False
    if way == "cut_off":
        # The topic's schema, and a number that never ends: the record was cut within its first field.
        return bytes(byte | 0x80 for byte in nonce.to_bytes(6, "big")), True
    return b"", False


def _session_ids(sessions: Array, seed: int) -> pa.Array:
    """Sixteen hexadecimal digits, another for each session and seed.

    Source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014); it is one-to-one.
    """
    mixed = sessions.astype(np.uint64) + np.uint64((seed % 2**31 + 1) << 32)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    digits = (mixed[:, None] >> np.arange(60, -4, -4).astype(np.uint64)) & np.uint64(15)
    offsets = np.arange(len(sessions) + 1, dtype=np.int32) * 16
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(_HEX[digits.astype(np.int64)]))]
    return pa.Array.from_buffers(pa.string(), len(sessions), buffers)
