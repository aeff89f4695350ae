"""The shop's own lists (products with names and prices, customers, stores) into Delta, each replaced as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from quintet.catalogue import Table
from quintet.catalogue.ecommercebatch import CUSTOMERS, PRICES, PRODUCTS, STORES
from quintet.ecommerce.sent import sent_folder
from quintet.errors import InputError
from quintet.lake.tables import arrow_schema, delta_path
from quintet.settings import Lab, lab_of

__all__ = ["load_lists", "run"]

#: Folder of the lists in an input, and language of the names of products.
FOLDER, LANGUAGE = "catalogue", "en"


def load_lists(lab: Lab, folder: Path) -> dict[str, int]:
    """Replace the tables by the lists in an input folder; rows by table. Equal lists write nothing new but a version.

    Raises:
        InputError: a list is missing, or lacks a column.

    """
    names = _read(folder, f"texts_{LANGUAGE}").select(["product_id", "name"])
    found = {
        PRODUCTS: _read(folder, "products").join(names, "product_id", join_type="inner"),
        PRICES: _read(folder, "price_changes"),
        CUSTOMERS: _read(folder, "users"),
        STORES: _read(folder, "places"),
    }
    return {table.name: _replace(lab, table, rows) for table, rows in found.items()}


def run(*, input_dir: str = "", lab_file: str | None = None) -> dict[str, Any]:
    """`load_lists` for a task; without a folder of the input that was sent last. Raises as it."""
    lab = lab_of(lab_file)
    folder = Path(input_dir) if input_dir else sent_folder(lab)
    if folder is None:
        raise InputError("no input was sent whose lists could be loaded", remedy="Send one: quintet run ecommerce")
    return dict(load_lists(lab, folder))


def _read(folder: Path, name: str) -> pa.Table:
    path = folder / FOLDER / f"{name}.parquet"
    try:
        found = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"the list {path} cannot be read ({error})", remedy="Make an input: quintet generate ecommerce"
        ) from error
    # Lists of a product, its tags, stand in the search index only; a join takes none.
    return found.select([field.name for field in found.schema if not pa.types.is_list(field.type)])


def _replace(lab: Lab, table: Table, rows: pa.Table) -> int:
    schema = arrow_schema(table)
    missing = [name for name in schema.names if name not in rows.column_names]
    if missing:
        raise InputError(f"the list for {table.full_name} lacks {', '.join(missing)}")
    ordered = rows.select(schema.names).sort_by([(name, "ascending") for name in table.key])
    write_deltalake(delta_path(lab, table), ordered.cast(schema), mode="overwrite")
    return len(ordered)
