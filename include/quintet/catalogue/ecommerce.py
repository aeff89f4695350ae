"""Catalogue entry of the project `ecommerce`: topics of events with their fields, what streams make of them, DAGs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from quintet.catalogue.model import (
    ChangeSource,
    Cleanup,
    Column,
    Dag,
    Layer,
    Pii,
    Project,
    SourceTable,
    Table,
    Topic,
    Writer,
)

__all__ = [
    "ECOMMERCE",
    "ECOMMERCE_TABLES",
    "ECOMMERCE_TOPICS",
    "EVENT_TOPICS",
    "KPI_COLUMNS",
    "LATE_TOPICS",
    "LIVE_SCHEMA",
    "LIVE_TABLES",
    "MINUTES",
    "OWNER",
    "PRICE_LIST",
    "PRODUCT_VERSIONS",
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
#: Products as they were from a moment on: what streams join with. It is read from its start by who begins anew.
PRODUCT_VERSIONS = Topic(
    project=SLUG,
    name=f"{SLUG}.products.changed",
    owner=OWNER,
    description="Versions of the products, captured from the price list before they hold; product 0 ends what is known",
    retention_bytes=RETENTION_BYTES,
    key=("product_id",),
    columns=(
        _PRODUCT,
        Column("valid_from", "timestamp", "From when on it holds, UTC", nullable=False),
        Column("category", "string", "Category", nullable=False),
        Column("type", "string", "Kind of thing", nullable=False),
        Column("brand", "string", "Brand", nullable=False),
        Column("price", "decimal(12,2)", "Price of a piece, euros", nullable=False),
        Column("inventory_count", "long", "Pieces at the start of the input", nullable=False),
        Column("reorder_point", "long", "Pieces at or below which it is short", nullable=False),
    ),
    identity=("product_id", "valid_from"),
)
#: The shop's price list, from which they come. It is only added to: a capture that begins anew finds every version.
PRICE_LIST = ChangeSource(
    project=SLUG,
    name=f"{SLUG}.products",
    owner=OWNER,
    database="shop",
    database_schema="ecommerce",
    publication="ecommerce_products",
    slot="ecommerce_products",
    tables=(
        SourceTable(
            name="product_versions",
            description="Versions of the products, each from a moment on; rows are added and never changed",
            columns=PRODUCT_VERSIONS.columns,
            key=PRODUCT_VERSIONS.identity,
            topic=PRODUCT_VERSIONS,
            # As they are announced: the newest version of a product, and the end of what is known, come last.
            read_by=("valid_from", "product_id"),
        ),
    ),
    heartbeats=Topic(
        SLUG,
        f"{SLUG}.products.heartbeats",
        OWNER,
        "A sign of life of the capture every few seconds",
        retention_hours=24,
    ),
    signals=Topic(SLUG, f"{SLUG}.products.signals", OWNER, "What the capture was asked to do", retention_hours=30 * 24),
    deployed_by="quintet run ecommerce",
    signs_schema="ecommerce_capture",
    is_flat=True,
)

_KIND = Column("kind", "string", "Kind of event: page_view, add_to_cart, purchase, …", nullable=False)
_HAPPENED = Column("happened_at", "timestamp", "When it happened by the sender's clock, UTC", nullable=False)
_ARRIVED = Column(
    "arrived_at", "timestamp", "When it arrived: the time of the record in the topic, UTC", nullable=False
)


def _table(layer: Layer, name: str, description: str, key: tuple[str, ...], columns: tuple[Column, ...]) -> Table:
    return Table(
        project=SLUG,
        layer=layer,
        name=name,
        owner=OWNER,
        description=description,
        writer=Writer.FLINK,
        columns=columns,
        key=key,
    )


_SILVER = (
    _table(
        Layer.SILVER,
        "live_events",
        "Distinct valid events that were not late, as the live figures counted them; without what is in them",
        ("kind", "event_id"),
        (
            _KIND,
            Column("event_id", "string", "Its identity: the fields that make it one, joined by |", Pii.INDIRECT, False),
            replace(_USER, nullable=True),
            replace(_PRODUCT, nullable=True),
            _HAPPENED,
            _ARRIVED,
        ),
    ),
    _table(
        Layer.SILVER,
        "live_events__quarantine",
        "Records that break a rule of their kind: no live figure counts them",
        ("kind", "event", "arrived_at"),
        (
            _KIND,
            Column("reason", "string", "Name of the broken rule", nullable=False),
            Column("event", "string", "The record's fields, JSON", Pii.INDIRECT, nullable=False),
            _HAPPENED,
            _ARRIVED,
        ),
    ),
    _table(
        Layer.SILVER,
        "priced_order_lines",
        "Lines of the orders that were not late, with the product as it was when it was bought",
        ("order_id", "line_number"),
        (
            Column("order_id", "long", "Order number", nullable=False),
            Column("line_number", "integer", "Place in the order, from 1", nullable=False),
            _USER,
            _PRODUCT,
            Column("quantity", "integer", "Pieces", nullable=False),
            Column("unit_price", "decimal(12,2)", "Price that was paid for a piece, euros", nullable=False),
            Column("category", "string", "Category", nullable=False),
            Column("brand", "string", "Brand", nullable=False),
            Column("list_price", "decimal(12,2)", "Price of the catalogue at that moment, euros", nullable=False),
            Column("ordered_at", "timestamp", "When it was bought, UTC", nullable=False),
        ),
    ),
)
#: What streams keep for people: in PostgreSQL, replaced by key within seconds; times UTC.
LIVE_TABLES = (
    _table(
        Layer.LIVE,
        "minutes",
        "Figures of each minute, by what was not late",
        ("minute",),
        (Column("minute", "timestamp", "Begin of the minute, UTC", nullable=False), *KPI_COLUMNS),
    ),
    _table(
        Layer.LIVE,
        "handled",
        "What became of the records that arrived in an hour; what is in no other column came twice",
        ("kind", "arrived_hour"),
        (
            _KIND,
            Column("arrived_hour", "timestamp", "Begin of the hour of arrival, UTC", nullable=False),
            Column("records", "long", "Records that could be read", nullable=False),
            Column("broken", "long", "Of these, broke a rule", nullable=False),
            Column("late", "long", "Of these, came too late for the live figures", nullable=False),
            Column("taken", "long", "Of these, counted", nullable=False),
        ),
    ),
    _table(
        Layer.LIVE,
        "abandoned_carts",
        "Sessions that ended with something in the cart",
        ("user_id", "begins_at"),
        tuple(
            column
            for column in SESSIONS.columns
            if column.name in {"user_id", "begins_at", "ends_at", "cart_additions"}
        ),
    ),
    _table(
        Layer.LIVE,
        "suspicious_orders",
        "Orders that a rule names, a row an order and rule",
        ("order_id", "reason"),
        (
            Column("order_id", "long", "Order number", nullable=False),
            Column("reason", "string", "order_burst, large_order or bulk_line", nullable=False),
            _USER,
            Column("total_amount", "decimal(14,2)", "Sum of the order, euros", nullable=False),
            Column("ordered_at", "timestamp", "When it was bought, UTC", nullable=False),
        ),
    ),
    _table(
        Layer.LIVE,
        "trending",
        "Products of most points in ten minutes",
        ("window_begins_at", "place"),
        (
            Column("window_begins_at", "timestamp", "Begin of the ten minutes, UTC", nullable=False),
            Column("place", "long", "1 for the most points", nullable=False),
            _PRODUCT,
            Column("points", "long", "Points for views, cart additions and pieces bought", nullable=False),
        ),
    ),
    _table(
        Layer.LIVE,
        "stock",
        "Pieces of each product whose stock has changed",
        ("product_id",),
        (
            _PRODUCT,
            Column("pieces", "long", "Pieces at the end of that minute", nullable=False),
            Column("minute", "timestamp", "Newest minute with a change, UTC", nullable=False),
        ),
    ),
    _table(
        Layer.LIVE,
        "shortages",
        "Products that have run short: at or below their reorder point at the end of a minute, and above it before",
        ("product_id", "minute"),
        (
            _PRODUCT,
            Column("minute", "timestamp", "The minute, UTC", nullable=False),
            Column("pieces", "long", "Pieces at its end", nullable=False),
            Column("reorder_point", "long", "Pieces at or below which it is short", nullable=False),
        ),
    ),
)
#: Schema of these in the database of the shop.
LIVE_SCHEMA = LIVE_TABLES[0].schema
ECOMMERCE_TOPICS = (*EVENT_TOPICS.values(), *LATE_TOPICS.values(), MINUTES, PRODUCT_VERSIONS)
ECOMMERCE_TABLES = (SESSIONS, *_SILVER, *LIVE_TABLES)
ECOMMERCE = Project(
    slug=SLUG,
    title="E-commerce: a shop's events as live figures",
    question="What happens in the shop right now, what runs short, who leaves a cart behind, which orders look wrong, "
    "and is every event in the figures exactly once?",
    profiles=("core", "lakehouse", "streaming"),
    entry_dag="ecommerce_run_pipeline",
    dags=(
        Dag("ecommerce_run_pipeline", "The whole path in one view: events to live figures, batch layer and gold"),
        Dag("ecommerce_deploy_live_figures", "Deploy or upgrade the stream of figures, sessions, trends and flags"),
        Dag(
            "ecommerce_deploy_live_products", "Deploy or upgrade the stream of stock, shortages and priced order lines"
        ),
        Dag(
            "ecommerce_watch_streams",
            "Lag, checkpoints, restarts and back-pressure of the streams; capture of the price list",
        ),
        Dag("ecommerce_care_streams", "Compaction of the streams' tables; records that were put aside or broken"),
        Dag("ecommerce_index_products", "The index of the product search, anew behind its alias"),
    ),
    tables=ECOMMERCE_TABLES,
    # What the capture writes beside the versions is its own: it stays when the project is emptied.
    topics=(*ECOMMERCE_TOPICS, PRICE_LIST.heartbeats, PRICE_LIST.signals),
    sources=(PRICE_LIST,),
)
