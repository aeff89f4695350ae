"""The three feeds of the project and where their files lie in an input folder.

Invoice files lie in `by_day/` when there is such a folder, else directly in the input folder; the change feeds in
`customers/` and `products/`, both optional. Files are `*.csv` and `*.csv.gz`; other names are left alone.
"""

from __future__ import annotations

from pathlib import Path

from quintet.catalogue.lakehouse import CUSTOMER_CHANGES_RAW, FILES, INVOICE_LINES_RAW, PRODUCT_CHANGES_RAW
from quintet.catalogue.model import Table
from quintet.lake.landing import Feed

__all__ = ["CUSTOMER_CHANGES", "FEEDS", "INVOICE_LINES", "PRODUCT_CHANGES", "feed", "feed_folder", "files_of"]

_INVOICE_HEADER = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)


def _received(table: Table) -> list[str]:
    return [column.name for column in table.columns if not column.name.startswith("_")]


INVOICE_LINES = Feed(
    "invoice_lines",
    INVOICE_LINES_RAW,
    FILES,
    dict(zip(_INVOICE_HEADER, _received(INVOICE_LINES_RAW), strict=True)),
)
CUSTOMER_CHANGES = Feed(
    "customer_changes", CUSTOMER_CHANGES_RAW, FILES, {name: name for name in _received(CUSTOMER_CHANGES_RAW)}
)
PRODUCT_CHANGES = Feed(
    "product_changes", PRODUCT_CHANGES_RAW, FILES, {name: name for name in _received(PRODUCT_CHANGES_RAW)}
)
FEEDS = (INVOICE_LINES, CUSTOMER_CHANGES, PRODUCT_CHANGES)

_SUBFOLDERS = {"invoice_lines": "by_day", "customer_changes": "customers", "product_changes": "products"}


def feed(name: str) -> Feed:
    """Feed by name."""
    return {known.name: known for known in FEEDS}[name]


def feed_folder(wanted: Feed, input_dir: Path) -> Path | None:
    """Folder that holds the files of a feed; None when the input has none."""
    folder = input_dir / _SUBFOLDERS[wanted.name]
    if folder.is_dir():
        return folder
    return input_dir if wanted is INVOICE_LINES else None


def files_of(wanted: Feed, input_dir: Path) -> list[Path]:
    """Files of a feed in the order of their names. Raises OSError when the folder cannot be listed."""
    folder = feed_folder(wanted, input_dir)
    if folder is None:
        return []
    return sorted(path for path in folder.iterdir() if path.name.endswith((".csv", ".csv.gz")))
