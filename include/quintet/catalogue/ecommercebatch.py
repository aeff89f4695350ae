"""Catalogue entry of the batch layer of the project `ecommerce`: the log of events, and what is computed from it.

`ECOMMERCE` is the whole project: the speed layer's entry with the DAGs and tables of the batch layer.
"""

from __future__ import annotations

from dataclasses import replace

from quintet.catalogue import ecommerce
from quintet.catalogue.ecommerce import KPI_COLUMNS, OWNER, SESSIONS, SLUG
from quintet.catalogue.model import Column, Dag, Layer, Pii, Table, Writer

__all__ = [
    "BATCH_TABLES",
    "CUSTOMERS",
    "DAILY_FIGURES",
    "DAY_BALANCE",
    "ECOMMERCE",
    "EVENTS",
    "EVENT_LOG",
    "GATE_RESULTS",
    "MASTER_TABLES",
    "MINUTE_FIGURES",
    "ORDER_LINES",
    "PRICES",
    "PRODUCTS",
    "PUBLICATIONS",
    "QUARANTINE",
    "STORES",
    "USER_SESSIONS",
    "WITHDRAWALS",
]

_KIND = Column("kind", "string", "Kind of event: page_view, add_to_cart, purchase, …", nullable=False)
_DATE = Column("event_date", "date", "Day on which it happened, UTC", nullable=False)
_VIEW = Column("view", "string", "batch: all events; speed: those that were not late", nullable=False)
_USER = Column("user_id", "long", "Who: a visitor's number", Pii.INDIRECT)
#: Where a record lies in its topic.
_PLACE = (
    Column("topic_partition", "integer", "Partition of the topic", nullable=False),
    Column("topic_offset", "long", "Place in that partition", nullable=False),
)


def _table(
    layer: Layer,
    name: str,
    description: str,
    columns: tuple[Column, ...],
    key: tuple[str, ...],
    *,
    writer: Writer = Writer.SPARK,
    partition_by: tuple[str, ...] = (),
) -> Table:
    return Table(
        project=SLUG,
        layer=layer,
        name=name,
        owner=OWNER,
        description=description,
        writer=writer,
        columns=columns,
        key=key,
        partition_by=partition_by,
    )


EVENT_LOG = _table(
    Layer.BRONZE,
    "event_log",
    "Every record of the shop's topics that can be read, once, as it was sent, with its place in the topic",
    (
        _KIND,
        Column("row", "string", "The record's fields, JSON", Pii.INDIRECT, nullable=False),
        Column("happened_at", "timestamp", "When it happened by the sender's clock, UTC", nullable=False),
        Column("arrived_at", "timestamp", "When it arrived: the time of the record in the topic, UTC", nullable=False),
        Column("schema_id", "integer", "Schema in the registry that it was written with", nullable=False),
        *_PLACE,
        Column("batch", "long", "Number of the landing that brought it", nullable=False),
    ),
    ("kind", "topic_partition", "topic_offset"),
    writer=Writer.DELTA_RS,
)

WITHDRAWALS = _table(
    Layer.BRONZE,
    "withdrawals",
    "Records that a person took back: those of a kind that arrived on a day and had landed by then count no more",
    (
        Column("number", "long", "1 for the first", nullable=False),
        _KIND,
        Column("arrived_date", "date", "Day of arrival, UTC", nullable=False),
        Column("up_to_batch", "long", "Newest landing at that time; what lands later counts", nullable=False),
        Column("withdrawn_by", "string", "Who took them back", Pii.INDIRECT, nullable=False),
        Column("reason", "string", "Why", nullable=False),
    ),
    ("number",),
    writer=Writer.DELTA_RS,
)

EVENTS = _table(
    Layer.SILVER,
    "events",
    "Distinct valid events: the first to arrive of each",
    (
        Column("event_id", "string", "MD5 over kind and identity, hex", nullable=False),
        _KIND,
        _DATE,
        Column("happened_at", "timestamp", "When it happened by the sender's clock, UTC", nullable=False),
        Column("arrived_at", "timestamp", "When the first of its records arrived, UTC", nullable=False),
        Column("is_late", "boolean", "It arrived too late for the live figures", nullable=False),
        _USER,
        Column("session_id", "string", "Session of the visitor's browser", Pii.INDIRECT),
        Column("page", "string", "Path of the page"),
        Column("referrer", "string", "Page that led there"),
        Column("product_id", "long", "Product: of its page, put into the cart, or whose stock changed"),
        Column("quantity", "integer", "Pieces put into the cart, or that the stock changed by"),
        Column("warehouse_id", "integer", "Warehouse or store whose stock changed"),
        Column("order_id", "long", "Order number"),
        Column("pieces", "long", "Pieces of the order"),
        Column("total_amount", "decimal(14,2)", "Sum of the order, euros"),
        Column("query", "string", "Text that was searched for", Pii.INDIRECT),
        Column("search_type", "string", "full_text, suggestion, correction or filter"),
        Column("results_count", "integer", "Products in the answer"),
        Column("clicks", "integer", "Products of the answer that were clicked"),
        Column("first_clicked_product_id", "long", "First of these"),
        Column("filters", "string", "Filters of the search, comma separated"),
    ),
    ("event_id",),
    partition_by=("event_date",),
)

ORDER_LINES = _table(
    Layer.SILVER,
    "order_lines",
    "Lines of the distinct valid purchases",
    (
        Column("order_id", "long", "Order number", nullable=False),
        Column("line_number", "integer", "Place in the order, from 1", nullable=False),
        _DATE,
        Column("ordered_at", "timestamp", "When it was bought, UTC", nullable=False),
        Column("is_late", "boolean", "The order arrived too late for the live figures", nullable=False),
        Column("user_id", "long", "Who bought", Pii.INDIRECT, nullable=False),
        Column("product_id", "long", "What was bought", nullable=False),
        Column("quantity", "integer", "Pieces", nullable=False),
        Column("unit_price", "decimal(12,2)", "Price of a piece, euros", nullable=False),
    ),
    ("order_id", "line_number"),
    partition_by=("event_date",),
)

QUARANTINE = _table(
    Layer.SILVER,
    "event_log__quarantine",
    "Records that broke a rule, as received, with the reasons",
    (
        _KIND,
        *_PLACE,
        Column("batch", "long", "Number of the landing that brought it", nullable=False),
        Column("arrived_at", "timestamp", "When it arrived, UTC", nullable=False),
        Column("row", "string", "The record's fields, JSON", Pii.INDIRECT, nullable=False),
        Column("reasons", "string", "Names of the broken rules, comma separated", nullable=False),
        Column("status", "string", "open, or withdrawn by a person", nullable=False),
    ),
    ("kind", "topic_partition", "topic_offset"),
)

MINUTE_FIGURES = _table(
    Layer.SILVER,
    "minute_figures",
    "Figures of each minute, by all events and by those that were not late: the batch layer's word",
    (_VIEW, Column("minute", "timestamp", "Begin of the minute, UTC", nullable=False), _DATE, *KPI_COLUMNS),
    ("view", "minute"),
    partition_by=("event_date",),
)

USER_SESSIONS = _table(
    Layer.SILVER,
    "user_sessions",
    "Sessions of users, by all events and by those that were not late: the batch layer's word",
    (_VIEW, *SESSIONS.columns),
    ("view", *SESSIONS.key),
)

DAILY_FIGURES = _table(
    Layer.SILVER,
    "daily_figures",
    "Figures of each day by product, by category of products and by country of users",
    (
        _DATE,
        Column("dimension", "string", "product, category or country", nullable=False),
        Column("member", "string", "Product number, category or country; unknown: it is in no list", nullable=False),
        Column("page_views", "long", "Views of the product's page; of all pages by country", nullable=False),
        Column("cart_additions", "long", "Cart additions", nullable=False),
        Column("orders", "long", "Purchases in which it is", nullable=False),
        Column("pieces", "long", "Pieces bought", nullable=False),
        Column("revenue", "decimal(14,2)", "Sum of the lines, euros", nullable=False),
        Column("users", "long", "Distinct users of these events", nullable=False),
    ),
    ("event_date", "dimension", "member"),
    partition_by=("event_date",),
)

DAY_BALANCE = _table(
    Layer.SILVER,
    "day_balance",
    "Conservation of records by day and kind: records = withdrawn + broken + duplicates + events",
    (
        _DATE,
        _KIND,
        Column("records", "long", "Records that landed", nullable=False),
        Column("withdrawn", "long", "Taken back by a person", nullable=False),
        Column("broken", "long", "In quarantine", nullable=False),
        Column("duplicates", "long", "Repetitions of an event", nullable=False),
        Column("events", "long", "Distinct valid events", nullable=False),
        Column("late", "long", "Valid records that came late, repetitions too", nullable=False),
    ),
    ("event_date", "kind"),
    writer=Writer.DELTA_RS,
)

GATE_RESULTS = _table(
    Layer.SILVER,
    "gate_results",
    "Outcome of every rule of every gate run, and its decision",
    (
        Column("run_id", "string", "Run of the gate", nullable=False),
        Column("checked_at", "timestamp", "UTC", nullable=False),
        Column("rule", "string", "Name of the rule; 'decision' for what the gate decided", nullable=False),
        Column("severity", "string", "critical, error or warning", nullable=False),
        Column("worst", "string", "Kind and day of arrival with the most broken records"),
        Column("rows_checked", "long", "Records looked at", nullable=False),
        Column("rows_failed", "long", "Records that broke the rule", nullable=False),
        Column("observed", "string", "What was found; of the decision: JSON"),
        Column("passed", "boolean", "The rule held within its threshold", nullable=False),
    ),
    ("run_id", "rule"),
    writer=Writer.DELTA_RS,
)

PUBLICATIONS = _table(
    Layer.SILVER,
    "publications",
    "What was published: up to which landing, which withdrawals, and until when the figures are settled",
    (
        Column("number", "long", "1 for the first", nullable=False),
        Column("run_id", "string", "Run that published", nullable=False),
        Column("published_at", "timestamp", "UTC", nullable=False),
        Column("up_to_batch", "long", "Newest landing in it", nullable=False),
        Column("up_to_withdrawal", "long", "Newest withdrawal in it; 0: there is none", nullable=False),
        Column(
            "settled_until", "timestamp", "No prompt event of an earlier minute can come any more, UTC", nullable=False
        ),
    ),
    ("number",),
    writer=Writer.DELTA_RS,
)

PRODUCTS = _table(
    Layer.SILVER,
    "products",
    "What the shop sells, as its catalogue says now",
    (
        Column("product_id", "long", "Product number", nullable=False),
        Column("name", "string", "Name in English", nullable=False),
        Column("category", "string", "Category", nullable=False),
        Column("type", "string", "Kind of thing", nullable=False),
        Column("brand", "string", "Brand", nullable=False),
        Column("colour", "string", "Colour", nullable=False),
        Column("material", "string", "Material", nullable=False),
        Column("warehouse_id", "integer", "Where it lies, and is sent from", nullable=False),
        Column("created_at", "timestamp", "Since when it is sold, UTC", nullable=False),
    ),
    ("product_id",),
    writer=Writer.DELTA_RS,
)

PRICES = _table(
    Layer.SILVER,
    "prices",
    "Prices of products: each from its moment on",
    (
        Column("product_id", "long", "Product number", nullable=False),
        Column("changed_at", "timestamp", "From when on it holds, UTC", nullable=False),
        Column("price", "decimal(12,2)", "Euros", nullable=False),
    ),
    ("product_id", "changed_at"),
    writer=Writer.DELTA_RS,
)

CUSTOMERS = _table(
    Layer.SILVER,
    "customers",
    "Who is known to the shop, as its accounts say now",
    (
        Column("user_id", "long", "Who: a visitor's number", Pii.INDIRECT, nullable=False),
        Column("language", "string", "Language", nullable=False),
        Column("town", "string", "Nearest place of the shop", Pii.INDIRECT, nullable=False),
        Column("country", "string", "Country of that place, ISO 3166", nullable=False),
        Column("created_at", "timestamp", "Since when they are known, UTC", nullable=False),
    ),
    ("user_id",),
    writer=Writer.DELTA_RS,
)

STORES = _table(
    Layer.SILVER,
    "stores",
    "Places of the shop: warehouses and stores",
    (
        Column("warehouse_id", "integer", "Number of the place", nullable=False),
        Column("town", "string", "Town", nullable=False),
        Column("country", "string", "Country, ISO 3166", nullable=False),
        Column("is_store", "boolean", "People can buy there; else a warehouse", nullable=False),
        Column("latitude", "double", "Degrees north", nullable=False),
        Column("longitude", "double", "Degrees east", nullable=False),
    ),
    ("warehouse_id",),
    writer=Writer.DELTA_RS,
)

#: The shop's own lists, replaced as a whole each time that they come.
MASTER_TABLES = (PRODUCTS, PRICES, CUSTOMERS, STORES)
BATCH_TABLES = (
    EVENT_LOG,
    WITHDRAWALS,
    EVENTS,
    ORDER_LINES,
    QUARANTINE,
    MINUTE_FIGURES,
    USER_SESSIONS,
    DAILY_FIGURES,
    DAY_BALANCE,
    GATE_RESULTS,
    PUBLICATIONS,
    *MASTER_TABLES,
)


def _gold(name: str, description: str) -> Table:
    # Columns, keys and tests of gold stand in the dbt project: this is only the list of names.
    return Table(SLUG, Layer.GOLD, name, OWNER, description, Writer.DBT)


_GOLD_TABLES = (
    _gold("fct_shop_sales", "Sales, one row a line of a purchase"),
    _gold("dim_shop_product", "Products with the history of their prices"),
    _gold("dim_shop_customer", "Customers with the history of their levels"),
    _gold("dim_shop_date", "Calendar"),
    _gold("dim_shop_store", "Stores and warehouses"),
    _gold("shop_days", "Sales, sessions and carts a day"),
    _gold("shop_weeks", "The weekly report"),
    _gold("shop_customer_segments", "Recency, frequency, value and segment of each customer"),
    _gold("shop_search_queries", "Queries with their answers and clicks"),
    _gold("minutes_served", "Figures of minutes: settled ones by the batch layer, newer ones by the speed layer"),
)
_DAGS = (
    Dag("ecommerce_build_batch", "Events to figures of minutes and days, sessions: the batch layer"),
    Dag("ecommerce_reconcile_figures", "Speed layer against batch layer: difference 0, or repaired"),
    Dag("ecommerce_build_gold", "The shop's star schema and reports: dbt models on Trino"),
    Dag("ecommerce_withdraw_events", "Take back poisoned events, before they are sent again whole"),
)
ECOMMERCE = replace(
    ecommerce.ECOMMERCE,
    dags=(*ecommerce.ECOMMERCE.dags, *_DAGS),
    tables=(*ecommerce.ECOMMERCE.tables, *BATCH_TABLES, *_GOLD_TABLES),
)
