"""Catalogue entry of the project `lakehouse`."""

from __future__ import annotations

from quintet.catalogue.inputs import INPUTS_ANNOUNCED
from quintet.catalogue.model import Column, Dag, Layer, Pii, Project, Table, Writer
from quintet.catalogue.published import GOLD_PUBLISHED
from quintet.catalogue.shop import SHOP, SHOP_TABLES, SHOP_TOPICS

__all__ = ["FILE_TABLES", "LAKEHOUSE", "PROVENANCE"]

SLUG = "lakehouse"
OWNER = "retail-data"

#: Added to every bronze row by the landing.
PROVENANCE = (
    Column("_source_file", "string", "Name of the file as it was received, without its folder", nullable=False),
    Column("_file_version", "integer", "1 for the first content seen under this name, 2 for the next", nullable=False),
    Column("_line_number", "long", "Line of the file where the record starts; the header is line 1", nullable=False),
    Column("_file_hash", "string", "SHA-256 of the file's uncompressed content, hex", nullable=False),
    Column("_file_date", "date", "Trading day in the file name, else null"),
    Column("_ingested_at", "timestamp", "Time of landing, UTC", nullable=False),
    Column("_batch_id", "string", "Identifier of the landing run", nullable=False),
)


def _bronze(name: str, description: str, columns: tuple[Column, ...]) -> Table:
    return Table(
        project=SLUG,
        layer=Layer.BRONZE,
        name=name,
        owner=OWNER,
        description=description,
        writer=Writer.DELTA_RS,
        columns=columns + PROVENANCE,
        key=("_file_hash", "_line_number"),
        cluster_by=("_file_date",),
    )


def _silver(name: str, description: str, columns: tuple[Column, ...], key: tuple[str, ...], *cluster: str) -> Table:
    return Table(
        project=SLUG,
        layer=Layer.SILVER,
        name=name,
        owner=OWNER,
        description=description,
        writer=Writer.SPARK,
        columns=columns,
        key=key,
        cluster_by=cluster,
    )


INVOICE_LINES_RAW = _bronze(
    "invoice_lines",
    "Invoice lines as received, one row a record",
    (
        Column("invoice_no", "string", "Invoice number; a leading C marks a cancellation, A an adjustment"),
        Column("stock_code", "string", "Product or fee code"),
        Column("description", "string", "Text of the line"),
        Column("quantity", "string", "Pieces, negative on returns"),
        Column("invoice_date", "string", "Date and time of the invoice"),
        Column("unit_price", "string", "Price of a piece in GBP"),
        Column("customer_id", "string", "Customer number, empty for guests", Pii.INDIRECT),
        Column("country", "string", "Country of the customer"),
    ),
)

CUSTOMER_CHANGES_RAW = _bronze(
    "customer_changes",
    "Change feed of customers as received",
    (
        Column("customer_id", "string", "Customer number", Pii.INDIRECT),
        Column("name", "string", "Full name", Pii.DIRECT),
        Column("email", "string", "E-mail address", Pii.DIRECT),
        Column("city", "string", "Town", Pii.INDIRECT),
        Column("country", "string", "Country"),
        Column("segment", "string", "Sales segment"),
        Column("operation", "string", "upsert or delete"),
        Column("changed_at", "string", "When the change took effect"),
    ),
)

PRODUCT_CHANGES_RAW = _bronze(
    "product_changes",
    "Change feed of products as received",
    (
        Column("stock_code", "string", "Product code"),
        Column("description", "string", "Text"),
        Column("category", "string", "Product category"),
        Column("list_price", "string", "List price in GBP"),
        Column("operation", "string", "upsert or delete"),
        Column("changed_at", "string", "When the change took effect"),
    ),
)

FILES = Table(
    project=SLUG,
    layer=Layer.BRONZE,
    name="files",
    owner=OWNER,
    description="Ledger of files: one row for each file and content that was ever offered, landed or refused",
    writer=Writer.DELTA_RS,
    columns=(
        Column("feed", "string", "Feed the file belongs to (invoice_lines, customer_changes, product_changes)"),
        *(column for column in PROVENANCE if column.name != "_line_number"),
        Column("status", "string", "landed, duplicate (content known under another name) or refused"),
        Column("duplicate_of", "string", "Name under which the same content landed first"),
        Column("reason", "string", "Why the file was refused"),
        Column("records", "long", "Records in the file"),
        Column("bytes", "long", "Size of the uncompressed content"),
        Column("encoding", "string", "Encoding the file was read with"),
    ),
    key=("feed", "_source_file", "_file_hash"),
)

INVOICE_LINES = _silver(
    "invoice_lines",
    "Invoice lines, typed, keyed, de-duplicated and classified; one row a business line",
    (
        Column("invoice_line_id", "string", "SHA-256 over the business key, hex", nullable=False),
        Column("invoice_id", "string", "Invoice number, trimmed, upper case", nullable=False),
        Column("product_id", "string", "Stock code, trimmed, upper case", nullable=False),
        Column("customer_id", "long", "Customer number; null for guests", Pii.INDIRECT),
        Column("is_guest", "boolean", "No customer number on the line", nullable=False),
        Column("country", "string", "Country of the customer", nullable=False),
        Column("description", "string", "Text of the line, white space folded"),
        Column("line_type", "string", "sale, return, adjustment or fee", nullable=False),
        Column("quantity", "integer", "Pieces, negative on returns", nullable=False),
        Column("unit_price_gbp", "decimal(18,4)", "Price of a piece", nullable=False),
        Column("line_amount_gbp", "decimal(20,4)", "quantity x unit price", nullable=False),
        Column("invoiced_at", "timestamp", "Time on the invoice, taken as UTC", nullable=False),
        Column("trade_date", "date", "Day of invoiced_at", nullable=False),
        Column("reverses_invoice_line_id", "string", "Sale that this return was matched to"),
        Column("source_file", "string", "File the row was taken from", nullable=False),
        Column("file_version", "integer", "Version of that file", nullable=False),
        Column("line_number", "long", "Line in that file", nullable=False),
        Column("file_hash", "string", "Content hash of that file", nullable=False),
    ),
    ("invoice_line_id",),
    "trade_date",
    "product_id",
)

QUARANTINE = _silver(
    "invoice_lines__quarantine",
    "Invoice lines that broke a rule, as received, with the reasons",
    (
        *(column for column in INVOICE_LINES_RAW.columns if column.name not in {"_ingested_at", "_batch_id"}),
        Column("_reasons", "string", "Names of the broken rules, comma separated", nullable=False),
        Column("_status", "string", "open, replayed (accepted by a person) or superseded (a newer file version)"),
        Column("_run_id", "string", "Run that found it first", nullable=False),
        Column("_detected_at", "timestamp", "When it was found first, UTC", nullable=False),
        Column("_decided_by", "string", "Who replayed it"),
    ),
    ("_file_hash", "_line_number"),
    "_file_date",
)

CUSTOMERS = _silver(
    "customers",
    "Customers with history: type 1 name and e-mail, type 2 country, city and segment, type 3 previous segment",
    (
        Column("customer_sk", "string", "SHA-256 over customer_id and valid_from, hex", nullable=False),
        Column("customer_id", "long", "Customer number", Pii.INDIRECT, nullable=False),
        Column("name", "string", "Full name, latest (type 1)", Pii.DIRECT),
        Column("email", "string", "E-mail address, latest (type 1)", Pii.DIRECT),
        Column("city", "string", "Town (type 2)", Pii.INDIRECT),
        Column("country", "string", "Country (type 2)"),
        Column("segment", "string", "Sales segment (type 2)"),
        Column("previous_segment", "string", "Segment before the latest change of it (type 3)"),
        Column("valid_from", "timestamp", "Start of validity, inclusive, UTC", nullable=False),
        Column("valid_to", "timestamp", "End of validity, exclusive; null: still valid"),
        Column("is_current", "boolean", "The version valid now", nullable=False),
        Column("is_deleted", "boolean", "This version marks a deleted customer", nullable=False),
        Column("origin", "string", "feed (change feed) or lines (derived from invoices)", nullable=False),
    ),
    ("customer_sk",),
    "customer_id",
)

PRODUCTS = _silver(
    "products",
    "Products with history: type 1 category, type 2 description and list price, type 3 previous description",
    (
        Column("product_sk", "string", "SHA-256 over product_id and valid_from, hex", nullable=False),
        Column("product_id", "string", "Stock code, trimmed, upper case", nullable=False),
        Column("description", "string", "Text (type 2)"),
        Column("category", "string", "Category, latest (type 1)"),
        Column("list_price_gbp", "decimal(18,4)", "List price (type 2)"),
        Column("previous_description", "string", "Text before the latest change of it (type 3)"),
        Column("is_product", "boolean", "False for fees, postage and vouchers", nullable=False),
        Column("valid_from", "timestamp", "Start of validity, inclusive, UTC", nullable=False),
        Column("valid_to", "timestamp", "End of validity, exclusive; null: still valid"),
        Column("is_current", "boolean", "The version valid now", nullable=False),
        Column("is_deleted", "boolean", "This version marks a withdrawn product", nullable=False),
        Column("origin", "string", "feed (change feed) or lines (derived from invoices)", nullable=False),
    ),
    ("product_sk",),
    "product_id",
)

# Written without Spark, like the gate's results: a run that has nothing to do starts none.
DAY_BALANCE = Table(
    project=SLUG,
    layer=Layer.SILVER,
    name="day_balance",
    owner=OWNER,
    description="Conservation of rows per file: bronze = silver + duplicates + quarantine + superseded",
    writer=Writer.DELTA_RS,
    columns=(
        Column("source_file", "string", "File name", nullable=False),
        Column("file_hash", "string", "Content hash", nullable=False),
        Column("file_date", "date", "Trading day in the file name"),
        Column("bronze_rows", "long", "Rows landed", nullable=False),
        Column("silver_rows", "long", "Rows published", nullable=False),
        Column("exact_duplicate_rows", "long", "Surplus rows equal in all eight columns", nullable=False),
        Column("business_duplicate_rows", "long", "Surplus rows equal in the business key only", nullable=False),
        Column("quarantined_rows", "long", "Rows in quarantine", nullable=False),
        Column("superseded_rows", "long", "Rows of a file version that a newer one replaced", nullable=False),
        Column("first_trade_date", "date", "Earliest trade date of its accepted rows; null: none was accepted"),
        Column("last_trade_date", "date", "Latest trade date of its accepted rows; null: none was accepted"),
    ),
    key=("file_hash",),
    cluster_by=("file_date",),
)

GATE_RESULTS = Table(
    project=SLUG,
    layer=Layer.SILVER,
    name="gate_results",
    owner=OWNER,
    description="Outcome of every rule of every gate run, and its decision",
    # A few rows a run, also when nothing is pending and no Spark starts.
    writer=Writer.DELTA_RS,
    columns=(
        Column("run_id", "string", "Run of the gate", nullable=False),
        Column("checked_at", "timestamp", "UTC", nullable=False),
        Column("rule", "string", "Name of the rule; 'decision' for what the gate decided", nullable=False),
        Column("rule_type", "string", "Kind of rule", nullable=False),
        Column("severity", "string", "critical, error or warning", nullable=False),
        Column("source_file", "string", "File with the most broken rows; null for rules over the whole batch"),
        Column("rows_checked", "long", "Rows looked at; files for rules over whole files", nullable=False),
        Column("rows_failed", "long", "Rows, or files, that broke the rule", nullable=False),
        Column("observed", "string", "Observed value of a rule over the whole batch"),
        Column("passed", "boolean", "The rule held within its threshold", nullable=False),
    ),
    key=("run_id", "rule"),
)


#: Bronze tables that files are landed in; silver is built from them.
FILE_TABLES = (INVOICE_LINES_RAW, CUSTOMER_CHANGES_RAW, PRODUCT_CHANGES_RAW, FILES)


def _gold(name: str, description: str) -> Table:
    # Columns, keys and tests of gold stand in the dbt project: this is only the list of names.
    return Table(SLUG, Layer.GOLD, name, OWNER, description, Writer.DBT)


LAKEHOUSE = Project(
    slug=SLUG,
    title="Lakehouse: medallion of an online shop",
    question="What did the shop sell, to whom, how often do they come back, and can every figure be traced to a line "
    "of a file?",
    profiles=("core", "lakehouse"),
    entry_dag="lakehouse_run_pipeline",
    dags=(
        Dag("lakehouse_run_pipeline", "The whole path in one view: files to gold"),
        Dag("lakehouse_receive_inputs", "Start the pipeline for each folder that is announced in Kafka"),
        Dag("lakehouse_ingest_bronze", "Land every pending file once"),
        Dag("lakehouse_build_silver", "Gate, type, de-duplicate, classify, dimensions with history"),
        Dag("lakehouse_build_gold", "dbt models on Trino"),
        Dag("lakehouse_publish_gold", "Data products as Parquet in the object store, for other teams"),
        Dag("lakehouse_merge_shop_changes", "Changes of the shop's database: topics to the change log to silver"),
        Dag("lakehouse_deploy_shop_to_silver", "Deploy or upgrade the stream from the shop's changes to Iceberg"),
        Dag("lakehouse_watch_streams", "Lag, checkpoints, restarts and back-pressure of the streams"),
        Dag("lakehouse_care_streams", "Compaction and snapshot expiry of the tables that streams write"),
        Dag("lakehouse_care_tables", "Compaction, clustering, vacuum, snapshot expiry, statistics"),
    ),
    tables=(
        *FILE_TABLES,
        INVOICE_LINES,
        QUARANTINE,
        CUSTOMERS,
        PRODUCTS,
        DAY_BALANCE,
        GATE_RESULTS,
        *SHOP_TABLES,
        _gold("fct_sales", "Sales, one row a line"),
        _gold("fct_returns", "Returns, one row a line, with the sale they reverse"),
        _gold("dim_product", "Products with history"),
        _gold("dim_customer", "Customers with history"),
        _gold("dim_date", "Calendar"),
        _gold("dim_country", "Countries"),
        _gold("revenue_daily", "Revenue, orders, pieces and returns a day"),
        _gold("revenue_weekly", "The same a week"),
        _gold("revenue_monthly", "The same a month"),
        _gold("cohort_retention", "Share of customers of a first-purchase month who buy again, by month"),
        _gold("customer_rfm", "Recency, frequency, monetary value and segment of each customer"),
        _gold("basket_pairs", "Products bought together, with support, confidence and lift"),
        _gold("shop_orders_daily", "Orders of the shop's database a day, and how many are paid"),
        _gold("return_rates", "Return rate by product"),
        _gold("product_abc", "Products ranked by revenue into classes A, B, C"),
        _gold("customer_value", "Past value and forecast of each customer"),
        _gold("customer_value_backtest", "Errors of that forecast and of naive ones, on days of the past"),
    ),
    topics=(*SHOP_TOPICS, INPUTS_ANNOUNCED, GOLD_PUBLISHED),
    sources=(SHOP,),
)
