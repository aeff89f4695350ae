"""Catalogue entry of the project `ecommerce`, as far as it goes: the topics of its events, with their fields.

The project cannot be run yet and is not among `PROJECTS`; its input can be made: `quintet generate ecommerce`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from quintet.catalogue.model import Cleanup, Column, Layer, Pii, Table, Topic, Writer

__all__ = [
    "ECOMMERCE_TABLES",
    "ECOMMERCE_TOPICS",
    "EVENT_TOPICS",
    "KPI_COLUMNS",
    "LATE_TOPICS",
    "MINUTES",
    "OWNER",
    "SESSIONS",
    "SLUG",
]

SLUG = "ecommerce"
OWNER = "shop-events"
#: A key's records keep their order in its partition; four are read by as many tasks.
PARTITIONS = 4
#: What was read and written to the lake need not stay; this is a million records and more of each partition.
RETENTION_BYTES = 512 * 1024 * 1024

_USER = Column("user_id", "long", "Who: a visitor's number", Pii.INDIRECT, nullable=False)
_PRODUCT = Column("product_id", "long", "Product number", nullable=False)
_TIME = Column("timestamp", "timestamp", "When it happened by the sender's clock, UTC", nullable=False)
_SESSION = Column("session_id", "string", "Session of the visitor's browser", Pii.INDIRECT, nullable=False)
_LINES = "array<struct<product_id:long,quantity:integer,unit_price:decimal(12,2)>>"


def _topic(
    name: str, description: str, key: tuple[str, ...], identity: tuple[str, ...], columns: tuple[Column, ...]
) -> Topic:
    return Topic(
        project=SLUG,
        name=f"{SLUG}.{name}",
        owner=OWNER,
        description=description,
        partitions=PARTITIONS,
        retention_bytes=RETENTION_BYTES,
        key=key,
        has_dead_letters=True,
        columns=columns,
        identity=identity,
    )


#: Kind of event -> its topic.
EVENT_TOPICS: Mapping[str, Topic] = {
    "page_view": _topic(
        "pages.viewed",
        "Page views of the shop",
        ("user_id",),
        ("session_id", "timestamp", "page"),
        (
            _USER,
            Column("page", "string", "Path of the page; /product/<number> for a product's", nullable=False),
            _TIME,
            _SESSION,
            Column("referrer", "string", "Page that led here: a path of the shop or an address; null: none"),
        ),
    ),
    "add_to_cart": _topic(
        "carts.added",
        "Products put into a cart",
        ("user_id",),
        ("session_id", "timestamp", "product_id"),
        (_USER, _PRODUCT, Column("quantity", "integer", "Pieces", nullable=False), _TIME, _SESSION),
    ),
    "purchase": _topic(
        "orders.purchased",
        "Purchases",
        ("user_id",),
        ("order_id",),
        (
            _USER,
            Column("order_id", "long", "Order number", nullable=False),
            Column("products", _LINES, "What was bought: product, pieces, price of a piece in euros", nullable=False),
            Column("total_amount", "decimal(14,2)", "Sum of the lines, euros", nullable=False),
            _TIME,
        ),
    ),
    "inventory_update": _topic(
        "stock.updated",
        "Changes of the stock of a product in a warehouse or store",
        ("product_id",),
        ("product_id", "warehouse_id", "timestamp"),
        (
            _PRODUCT,
            Column("quantity_delta", "integer", "Pieces that came, or went when negative", nullable=False),
            Column("warehouse_id", "integer", "Warehouse or store", nullable=False),
            _TIME,
        ),
    ),
    "search": _topic(
        "searches.made",
        "Searches, with what was clicked of the answer",
        ("user_id",),
        ("session_id", "timestamp", "query"),
        (
            Column("query", "string", "Text as it was typed", Pii.INDIRECT, nullable=False),
            _USER,
            _SESSION,
            _TIME,
            Column("results_count", "integer", "Products in the answer", nullable=False),
            Column(
                "clicked_products", "array<long>", "Products of the answer that were clicked, in order", nullable=False
            ),
            Column("search_type", "string", "full_text, suggestion, correction or filter", nullable=False),
            Column("filters_applied", "array<string>", "Filters as name:value", nullable=False),
        ),
    ),
}

#: Kind of event -> topic of those that came late: read by the batch layer and counted, not by the speed layer.
LATE_TOPICS: Mapping[str, Topic] = {
    kind: replace(
        topic,
        name=f"{topic.name.rpartition('.')[0]}.late",
        description=f"{topic.description}: what came late",
        partitions=1,
        has_dead_letters=False,
    )
    for kind, topic in EVENT_TOPICS.items()
}

#: What is counted in each minute, by the speed layer and by the batch layer.
KPI_COLUMNS = (
    Column("page_views", "long", "Page views", nullable=False),
    Column("cart_additions", "long", "Cart additions", nullable=False),
    Column("orders", "long", "Purchases", nullable=False),
    Column("pieces", "long", "Pieces bought", nullable=False),
    Column("revenue", "decimal(14,2)", "Sum of the purchases, euros", nullable=False),
    Column("searches", "long", "Searches", nullable=False),
    Column("searches_without_result", "long", "Searches that found nothing", nullable=False),
    Column("searches_with_click", "long", "Searches with at least one clicked product", nullable=False),
    Column("active_users", "long", "Distinct users of these events", nullable=False),
)
MINUTES = Topic(
    project=SLUG,
    name=f"{SLUG}.minutes.counted",
    owner=OWNER,
    description="Figures of each minute, corrected with every event; the newest of a minute holds",
    cleanup=Cleanup.COMPACT,
    key=("minute",),
    columns=(Column("minute", "timestamp", "Begin of the minute, UTC", nullable=False), *KPI_COLUMNS),
    identity=("minute",),
)
SESSIONS = Table(
    project=SLUG,
    layer=Layer.SILVER,
    name="sessions",
    owner=OWNER,
    description="Sessions of users: their events with no longer pause than half an hour, by what was not late",
    writer=Writer.FLINK,
    columns=(
        Column("user_id", "long", "Who", Pii.INDIRECT, nullable=False),
        Column("begins_at", "timestamp", "First event, UTC", nullable=False),
        Column("ends_at", "timestamp", "Last event, UTC", nullable=False),
        Column("page_views", "long", "Page views", nullable=False),
        Column("cart_additions", "long", "Cart additions", nullable=False),
        Column("orders", "long", "Purchases", nullable=False),
        Column("searches", "long", "Searches", nullable=False),
        Column("is_abandoned", "boolean", "The last cart addition is behind the last purchase", nullable=False),
    ),
    key=("user_id", "begins_at"),
)
ECOMMERCE_TOPICS = (*EVENT_TOPICS.values(), *LATE_TOPICS.values(), MINUTES)
ECOMMERCE_TABLES = (SESSIONS,)
