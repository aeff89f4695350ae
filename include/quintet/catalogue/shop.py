"""Catalogue entry of the shop's database: its tables, the topics of their changes, and what the lake makes of them."""

from __future__ import annotations

from dataclasses import replace

from quintet.catalogue.model import ChangeSource, Cleanup, Column, Layer, Pii, SourceTable, Table, Topic, Writer

__all__ = ["SHOP", "SHOP_CHANGES", "SHOP_TABLES", "SHOP_TOPICS", "customer_history", "delta_copy", "iceberg_copy"]

SLUG = "lakehouse"
OWNER = "shop-backend"
#: Changes of a key keep their order in its partition; two partitions a topic are read by two tasks.
PARTITIONS = 2


def _source(
    name: str, description: str, key: tuple[str, ...], columns: tuple[Column, ...], toasted: tuple[str, ...] = ()
) -> SourceTable:
    topic = Topic(
        project=SLUG,
        name=f"{SLUG}.{name}.changes",
        owner=OWNER,
        description=f"Changes of the shop's table {name}, as Debezium captures them",
        partitions=PARTITIONS,
        # The newest change of each row stays for ever: a copy of the table can be made from the topic alone. The lake
        # keeps all of them.
        cleanup=Cleanup.COMPACT,
        key=key,
        has_dead_letters=True,
    )
    return SourceTable(name, description, columns, key, topic, toasted)


CUSTOMERS = _source(
    "customers",
    "People who buy",
    ("customer_id",),
    (
        Column("customer_id", "long", "Customer number", Pii.INDIRECT, nullable=False),
        Column("name", "string", "Full name", Pii.DIRECT, nullable=False),
        Column("email", "string", "E-mail address", Pii.DIRECT, nullable=False),
        Column("segment", "string", "Sales segment", nullable=False),
        Column("credit_limit", "decimal(12,2)", "Highest open amount, GBP", nullable=False),
        Column("is_active", "boolean", "May order", nullable=False),
        Column("effective_at", "timestamp", "Since when the state holds in the real world, UTC", nullable=False),
        Column("updated_at", "timestamp", "When the row was written, UTC", nullable=False),
    ),
)
ADDRESSES = _source(
    "addresses",
    "Where they live and where goods go",
    ("address_id",),
    (
        Column("address_id", "long", "Number of the address", nullable=False),
        Column("customer_id", "long", "Whose address it is", Pii.INDIRECT, nullable=False),
        Column("kind", "string", "billing or delivery", nullable=False),
        Column("street", "string", "Street and number", Pii.DIRECT),
        Column("city", "string", "Town", Pii.INDIRECT, nullable=False),
        Column("postal_code", "string", "Postal code", Pii.INDIRECT),
        Column("country", "string", "Country", nullable=False),
        Column("valid_from", "date", "First day at this address", nullable=False),
        Column("updated_at", "timestamp", "When the row was written, UTC", nullable=False),
    ),
)
PRODUCTS = _source(
    "products",
    "What is sold",
    ("product_code",),
    (
        Column("product_code", "string", "Product code", nullable=False),
        Column("title", "string", "Short text", nullable=False),
        Column("description", "string", "Long text, several kilobytes", nullable=False),
        Column("category", "string", "Product category", nullable=False),
        Column("list_price", "decimal(12,2)", "List price, GBP", nullable=False),
        Column("weight_kg", "double", "Weight, kilograms"),
        Column("updated_at", "timestamp", "When the row was written, UTC", nullable=False),
    ),
    toasted=("description",),
)
ORDERS = _source(
    "orders",
    "Orders",
    ("order_id",),
    (
        Column("order_id", "long", "Order number", nullable=False),
        Column("customer_id", "long", "Who ordered", Pii.INDIRECT, nullable=False),
        Column("status", "string", "placed, paid, shipped, returned or cancelled", nullable=False),
        Column("total", "decimal(14,2)", "Sum of the lines, GBP", nullable=False),
        Column("placed_at", "timestamp", "When it was placed, UTC", nullable=False),
        Column("updated_at", "timestamp", "When the row was written, UTC", nullable=False),
    ),
)
ORDER_LINES = _source(
    "order_lines",
    "Lines of orders",
    ("order_id", "line_number"),
    (
        Column("order_id", "long", "Order number", nullable=False),
        Column("line_number", "integer", "Place in the order, from 1", nullable=False),
        Column("product_code", "string", "What is ordered", nullable=False),
        Column("quantity", "integer", "Pieces", nullable=False),
        Column("unit_price", "decimal(12,2)", "Price of a piece, GBP", nullable=False),
    ),
)
PAYMENTS = _source(
    "payments",
    "Payments of orders",
    ("payment_id",),
    (
        Column("payment_id", "string", "UUID of the payment", nullable=False),
        Column("order_id", "long", "What is paid", nullable=False),
        Column("method", "string", "card, transfer or voucher", nullable=False),
        Column("amount", "decimal(14,2)", "GBP", nullable=False),
        Column("status", "string", "open, done or refunded", nullable=False),
        Column("paid_at", "timestamp", "When it was paid, UTC"),
    ),
)

SHOP = ChangeSource(
    project=SLUG,
    name=f"{SLUG}.shop",
    owner=OWNER,
    database="shop",
    database_schema="public",
    publication="shop_changes",
    slot="lakehouse_shop",
    tables=(CUSTOMERS, ADDRESSES, PRODUCTS, ORDERS, ORDER_LINES, PAYMENTS),
    transactions=Topic(
        SLUG, f"{SLUG}.shop.transactions", OWNER, "Begin and end of the shop's transactions", retention_hours=48
    ),
    heartbeats=Topic(
        SLUG, f"{SLUG}.shop.heartbeats", OWNER, "A sign of life of the capture every few seconds", retention_hours=24
    ),
    signals=Topic(SLUG, f"{SLUG}.shop.signals", OWNER, "What the capture was asked to do", retention_hours=30 * 24),
    deployed_by="quintet run lakehouse --cdc",
)
SHOP_TOPICS = SHOP.topics

SHOP_CHANGES = Table(
    project=SLUG,
    layer=Layer.BRONZE,
    name="shop_changes",
    owner=OWNER,
    description="Change log of the shop's database: every change of every row, once, with its place in the topic",
    writer=Writer.DELTA_RS,
    columns=(
        Column("table_name", "string", "Table of the source", nullable=False),
        Column("operation", "string", "r (snapshot), c (insert), u (update), d (delete)", nullable=False),
        Column("key", "string", "Key of the row, JSON", Pii.INDIRECT, nullable=False),
        Column("row", "string", "The row after the change, JSON; null for a deletion", Pii.DIRECT),
        Column(
            "unchanged", "string", "Columns whose value the source left out because it is unchanged, comma separated"
        ),
        Column(
            "lsn", "long", "Position in the source's log; 0 for a row that was read again on request", nullable=False
        ),
        Column("transaction_id", "long", "Transaction of the source; null in a snapshot"),
        Column("changed_at", "timestamp", "When the source committed it, UTC", nullable=False),
        Column("captured_at", "timestamp", "When Debezium read it, UTC", nullable=False),
        Column("schema_id", "integer", "Schema in the registry that it was written with", nullable=False),
        Column("topic_partition", "integer", "Partition in the topic of the table", nullable=False),
        Column("topic_offset", "long", "Place in that partition", nullable=False),
        Column("batch", "long", "Number of the landing that brought it", nullable=False),
    ),
    key=("table_name", "topic_partition", "topic_offset"),
)


def delta_copy(table: SourceTable) -> Table:
    """The table's present state in Delta, merged from the change log."""
    return Table(
        project=SLUG,
        layer=Layer.SILVER,
        name=f"shop_{table.name}",
        owner=OWNER,
        description=f"{table.description}: the shop's table {table.name} as it is now",
        writer=Writer.SPARK,
        columns=(
            *table.columns,
            Column(
                "_changed_at", "timestamp", "When the source committed the row's latest change, UTC", nullable=False
            ),
            Column("_lsn", "long", "Position of that change in the source's log", nullable=False),
        ),
        key=table.key,
        is_open=True,
    )


def iceberg_copy(table: SourceTable) -> Table:
    """The table's present state in Iceberg, upserted by a Flink job."""
    return Table(
        project=SLUG,
        layer=Layer.SILVER,
        name=f"shop_{table.name}",
        owner=OWNER,
        description=f"{table.description}: the shop's table {table.name} as it is now, by stream",
        writer=Writer.FLINK,
        columns=table.columns,
        key=table.key,
    )


def customer_history() -> Table:
    """Customers with two times: when a state held, and when the shop's database knew it."""
    return Table(
        project=SLUG,
        layer=Layer.SILVER,
        name="shop_customers_history",
        owner=OWNER,
        description="Customers in two times: when a state held in the real world, and when it was known",
        writer=Writer.SPARK,
        columns=(
            CUSTOMERS.columns[0],
            *(
                replace(column, nullable=True)  # null where the customer is deleted
                for column in CUSTOMERS.columns[1:]
                if column.name not in {"effective_at", "updated_at"}
            ),
            Column("is_deleted", "boolean", "The customer was deleted in this time", nullable=False),
            Column("valid_from", "timestamp", "Start of validity, inclusive, UTC", nullable=False),
            Column("valid_to", "timestamp", "End of validity, exclusive; null: without end"),
            Column("known_from", "timestamp", "Since when the database said so, inclusive, UTC", nullable=False),
            Column("known_to", "timestamp", "Until when it said so, exclusive; null: it still does"),
        ),
        key=("customer_id", "valid_from", "known_from"),
    )


SHOP_TABLES = (
    SHOP_CHANGES,
    *(delta_copy(table) for table in SHOP.tables),
    customer_history(),
    *(iceberg_copy(table) for table in SHOP.tables),
)
