"""From a bronze invoice line to a typed candidate, and which candidates may be published.

Gate and silver read lines through the same expressions, so that what the gate judged is what silver publishes.
The eight columns as received keep their values under `raw_<name>`; the typed columns carry the names they have in
silver and are null where the text cannot be typed. Nothing here raises on data: untypable text is the gate's business.

Source: own derivation from the columns of the UCI Online Retail set.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from quintet.catalogue.lakehouse import INVOICE_LINES_RAW, PROVENANCE
from quintet.lakehouse.held import OPEN, SUPERSEDED

__all__ = [
    "BUSINESS_KEY",
    "FEE_CODES",
    "OPEN",
    "PROVENANCE_COLUMNS",
    "RAW_COLUMNS",
    "accepted_lines",
    "customer_number",
    "is_goods",
    "latest_versions",
    "line_type",
    "normalise",
    "with_verdict",
]

#: Columns as received, in the order of the file, under the names they have in the result of `normalise`.
RAW_COLUMNS = tuple(f"raw_{column.name}" for column in INVOICE_LINES_RAW.columns if column not in PROVENANCE)
PROVENANCE_COLUMNS = tuple(column.name for column in PROVENANCE)

#: What makes two lines the same business event.
BUSINESS_KEY = ("invoice_id", "product_id", "quantity", "unit_price_gbp", "invoiced_at", "customer_id")

#: Codes that stand for a service, a discount or a voucher, not for goods. `GIFT_…` are vouchers. Other codes that
#: start with a letter (DCGS…) are goods.
FEE_CODES = ("POST", "DOT", "C2", "C3", "M", "D", "S", "CRUK", "PADS", "AMAZONFEE", "BANK CHARGES")
_VOUCHER_PREFIX = "GIFT_"
#: Codes of book-keeping entries: bad debt and manual corrections.
_ADJUSTMENT_CODES = ("B", "ADJUST", "ADJUST2")

#: ASCII white space and the no-break space that spreadsheets leave behind.
_BLANKS = " \t\r\n\v\f\u00a0"
_WHOLE_NUMBER = r"^-?\d{1,10}$"
#: Up to four decimal places count; zeros beyond them lose nothing.
_DECIMAL = r"^-?\d{1,14}(\.\d{1,4}0*)?$"
#: Spreadsheets turn customer numbers into 17850.0.
_CUSTOMER = r"^(\d{1,18})(\.0+)?$"
#: Form of a time to the format that reads it; the form is looked at first because the parser takes `2011-1-5` too.
_TIMES = (
    (r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$", "yyyy-MM-dd HH:mm:ss"),
    (r"^\d{2}/\d{2}/\d{4} \d{2}:\d{2}$", "dd/MM/yyyy HH:mm"),
)


def normalise(bronze: DataFrame) -> DataFrame:
    """Type bronze invoice lines; one row in, one row out.

    Shapes: in: `bronze_lakehouse.invoice_lines`. Out: the seven provenance columns, the eight `raw_…` columns
    (string), then invoice_id, product_id, country, description, line_type (string), customer_id (long), is_guest
    (boolean), quantity (integer), unit_price_gbp (decimal(18,4)), line_amount_gbp (decimal(20,4)), invoiced_at
    (timestamp), trade_date (date).
    Units: GBP; times are taken as UTC (the session's time zone must be UTC).
    """
    received = (F.col(name.removeprefix("raw_")).alias(name) for name in RAW_COLUMNS)
    typed = bronze.select(*PROVENANCE_COLUMNS, *received).select(
        "*",
        _code("raw_invoice_no").alias("invoice_id"),
        _code("raw_stock_code").alias("product_id"),
        _text("raw_country").alias("country"),
        F.regexp_replace(_text("raw_description"), r"[\s\u00a0]+", " ").alias("description"),
        customer_number("raw_customer_id").alias("customer_id"),
        _text("raw_customer_id").isNull().alias("is_guest"),
        _matching("raw_quantity", _WHOLE_NUMBER).try_cast("int").alias("quantity"),
        _matching("raw_unit_price", _DECIMAL).try_cast("decimal(18,4)").alias("unit_price_gbp"),
        _time("raw_invoice_date").alias("invoiced_at"),
    )
    return typed.select(
        "*",
        line_type().alias("line_type"),
        (F.col("quantity") * F.col("unit_price_gbp")).try_cast("decimal(20,4)").alias("line_amount_gbp"),
        F.to_date("invoiced_at").alias("trade_date"),
    )


def line_type() -> Column:
    """Kind of a typed line: adjustment, fee, return or sale; the first that applies.

    adjustment: an invoice number that starts with A, a book-keeping code, or goods without price and customer (stock
    written on or off). fee: a fee code, also when it is cancelled. return: a cancellation (C…) or a negative quantity.
    """
    invoice, product = F.col("invoice_id"), F.col("product_id")
    is_free_and_anonymous = (F.col("unit_price_gbp") == 0) & F.col("is_guest")
    is_adjustment = invoice.startswith("A") | product.isin(*_ADJUSTMENT_CODES) | is_free_and_anonymous
    is_fee = product.isin(*FEE_CODES) | product.startswith(_VOUCHER_PREFIX)
    is_return = invoice.startswith("C") | (F.col("quantity") < 0)
    return F.when(is_adjustment, "adjustment").when(is_fee, "fee").when(is_return, "return").otherwise("sale")


def is_goods(product: Column) -> Column:
    """Whether a product code stands for goods, not for a fee, a voucher or a book-keeping entry."""
    return ~(product.isin(*FEE_CODES, *_ADJUSTMENT_CODES) | product.startswith(_VOUCHER_PREFIX))


def customer_number(name: str) -> Column:
    """Customer number (long) of a text column; null where there is none or it cannot be read."""
    return F.nullif(F.regexp_extract(_text(name), _CUSTOMER, 1), F.lit("")).try_cast("long")


def latest_versions(bronze: DataFrame) -> DataFrame:
    """Version that counts of each file name: `_source_file` (string), `_latest_version` (integer).

    It must be given all rows of the bronze table: a version is superseded by whatever landed later.
    """
    return bronze.groupBy("_source_file").agg(F.max("_file_version").alias("_latest_version"))


def with_verdict(candidates: DataFrame, versions: DataFrame, quarantine: DataFrame) -> DataFrame:
    """Add `_verdict` to normalised lines: superseded, quarantined or accepted; one row in, one row out.

    A row that a person replayed is accepted; a row of an older file version is superseded whatever else it is.
    Shapes: `versions` as `latest_versions` gives it; `quarantine` is the quarantine table, unique in
    (_file_hash, _line_number).
    """
    held = quarantine.where(F.col("_status") == OPEN).select(
        "_file_hash", "_line_number", F.lit(True).alias("_is_held")
    )
    joined = candidates.join(F.broadcast(versions), on="_source_file", how="left").join(
        held, on=["_file_hash", "_line_number"], how="left"
    )
    verdict = (
        F.when(F.col("_file_version") < F.col("_latest_version"), SUPERSEDED)
        .when(F.col("_is_held"), "quarantined")
        .otherwise("accepted")
    )
    return joined.select(*(F.col(name) for name in candidates.columns), verdict.alias("_verdict"))


def accepted_lines(candidates: DataFrame, versions: DataFrame, quarantine: DataFrame) -> DataFrame:
    """Lines that silver may publish: neither superseded nor held in quarantine; replayed ones included."""
    return with_verdict(candidates, versions, quarantine).where(F.col("_verdict") == "accepted").drop("_verdict")


def _text(name: str) -> Column:
    return F.nullif(F.btrim(F.col(name), F.lit(_BLANKS)), F.lit(""))


def _code(name: str) -> Column:
    return F.upper(_text(name))


def _matching(name: str, form: str) -> Column:
    text = _text(name)
    return F.when(text.rlike(form), text)


def _time(name: str) -> Column:
    return F.coalesce(*(F.try_to_timestamp(_matching(name, form), F.lit(layout)) for form, layout in _TIMES))
