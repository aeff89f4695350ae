"""Conservation of rows: every bronze row of a file is published, a duplicate, in quarantine or superseded.

`day_balance` is the watermark of silver: a file is published when it has a row there, so that it is written last. It
also holds, as application transactions, the versions of the change feeds that the dimensions stand on.

Files are listed and the balance is written without Spark: so a run that has nothing to do starts none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from quintet.catalogue.lakehouse import DAY_BALANCE, INVOICE_LINES_RAW, QUARANTINE
from quintet.errors import LabError
from quintet.lake.landing import Feed
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lakehouse.feeds import CUSTOMER_CHANGES, PRODUCT_CHANGES
from quintet.lakehouse.held import OPEN
from quintet.lakehouse.selection import Balanced, BronzeFile
from quintet.settings import Lab

__all__ = [
    "FATES",
    "UNTYPED",
    "Fates",
    "check_conservation",
    "count_fates",
    "feed_versions",
    "list_files",
    "read_balance",
    "write_balance",
]

CHANGE_FEEDS = (CUSTOMER_CHANGES, PRODUCT_CHANGES)

#: What becomes of a bronze row, to the column of the balance that counts it.
FATES = {
    "silver": "silver_rows",
    "exact_duplicate": "exact_duplicate_rows",
    "business_duplicate": "business_duplicate_rows",
    "quarantined": "quarantined_rows",
    "superseded": "superseded_rows",
}
#: Fate of an accepted row that cannot be typed. The gate lets none pass; one that comes breaks conservation.
UNTYPED = "untyped"


@dataclass(frozen=True)
class Fates:
    """Rows of one file by fate, and the span of its accepted rows."""

    rows: Mapping[str, int]
    first_trade_date: date | None = None
    last_trade_date: date | None = None

    @property
    def accounted(self) -> int:
        """Rows with a fate that the balance knows."""
        return sum(self.rows[fate] for fate in FATES)


def list_files(lab: Lab, bronze_version: int | None = None) -> list[BronzeFile]:
    """Every file version that landed, with its rows as they are counted in bronze."""
    landed = _ask(
        DeltaTable(delta_path(lab, INVOICE_LINES_RAW), version=bronze_version),
        "SELECT _file_hash, _source_file, _file_version, _file_date, count(*) AS rows FROM asked GROUP BY 1, 2, 3, 4",
    )
    held = _ask(
        DeltaTable(delta_path(lab, QUARANTINE)),
        f"SELECT _file_hash, count(*) AS rows FROM asked WHERE _status = '{OPEN}' GROUP BY 1",
    )
    counts = {row["_file_hash"]: row["rows"] for row in held}
    return [
        BronzeFile(
            row["_file_hash"],
            row["_source_file"],
            row["_file_version"],
            row["_file_date"],
            row["rows"],
            counts.get(row["_file_hash"], 0),
        )
        for row in landed
    ]


def read_balance(lab: Lab) -> tuple[list[Balanced], dict[str, int]]:
    """What the balance says of every published file, and the versions of the feeds that the dimensions stand on."""
    table = DeltaTable(delta_path(lab, DAY_BALANCE))
    found = [
        Balanced(
            row["file_hash"],
            row["quarantined_rows"],
            row["superseded_rows"],
            None if row["first_trade_date"] is None else (row["first_trade_date"], row["last_trade_date"]),
        )
        for row in pa.table(table.scan()).to_pylist()
    ]
    versions = {feed.name: table.transaction_version(_mark(feed)) for feed in CHANGE_FEEDS}
    return found, {name: version for name, version in versions.items() if version is not None}


def feed_versions(lab: Lab) -> dict[str, int]:
    """Versions of the bronze tables of the change feeds."""
    return {feed.name: DeltaTable(delta_path(lab, feed.table)).version() for feed in CHANGE_FEEDS}


def write_balance(
    lab: Lab, files: Iterable[BronzeFile], fates: Mapping[str, Fates], feeds: Mapping[str, int], *, anew: bool
) -> None:
    """Write the balance of these files and the versions of the feeds in one commit; the other rows stay unless `anew`.

    The table has one row a file, so that it is written whole.
    """
    table = DeltaTable(delta_path(lab, DAY_BALANCE))
    rows = {} if anew else {row["file_hash"]: row for row in pa.table(table.scan()).to_pylist()}
    rows |= {file.file_hash: _balance_row(file, fates[file.file_hash]) for file in files}
    marks = [Transaction(_mark(feed), feeds[feed.name]) for feed in CHANGE_FEEDS]
    write_deltalake(
        table,
        pa.Table.from_pylist(list(rows.values()), schema=arrow_schema(DAY_BALANCE)),
        mode="overwrite",
        commit_properties=CommitProperties(app_transactions=marks),
    )


def count_fates(decided: DataFrame, files: Iterable[str]) -> dict[str, Fates]:
    """Rows of these files by fate, in one pass.

    Shapes: in: file_hash, fate (string), trade_date (date); all rows of the files.
    """
    names = [*FATES, UNTYPED]
    is_accepted = F.col("fate").isin("silver", "exact_duplicate", "business_duplicate")
    accepted_date = F.when(is_accepted, F.col("trade_date"))
    counted = decided.groupBy("file_hash").agg(
        *(F.count_if(F.col("fate") == name).alias(name) for name in names),
        F.min(accepted_date).alias("first"),
        F.max(accepted_date).alias("last"),
    )
    wanted = set(files)
    return {
        row["file_hash"]: Fates({name: row[name] for name in names}, row["first"], row["last"])
        for row in counted.collect()
        if row["file_hash"] in wanted
    }


def check_conservation(files: Iterable[BronzeFile], fates: Mapping[str, Fates]) -> None:
    """Hold every file's bronze rows against its rows by fate.

    Raises:
        LabError: they differ; lists the files with all numbers.

    """
    nothing = Fates(dict.fromkeys([*FATES, UNTYPED], 0))
    broken = [
        f"  - {file.source_file} version {file.file_version}: {file.rows} bronze rows, "
        + ", ".join(f"{count} {fate.replace('_', ' ')}" for fate, count in found.rows.items())
        for file in files
        if (found := fates.get(file.file_hash, nothing)).accounted != file.rows
    ]
    if broken:
        raise LabError(
            "rows are not conserved, nothing was published:\n" + "\n".join(sorted(broken)) + "\n",
            remedy="Untyped rows: send the file through the gate again. Else the code is wrong: keep the lake as it is",
        )


def _balance_row(file: BronzeFile, fates: Fates) -> dict[str, Any]:
    return {
        "source_file": file.source_file,
        "file_hash": file.file_hash,
        "file_date": file.file_date,
        "bronze_rows": file.rows,
        **{column: fates.rows[fate] for fate, column in FATES.items()},
        "first_trade_date": fates.first_trade_date,
        "last_trade_date": fates.last_trade_date,
    }


def _mark(feed: Feed) -> str:
    """Application transaction of the balance that holds the version of a feed."""
    return f"silver:{feed.name}"


def _ask(table: DeltaTable, statement: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pa.table(QueryBuilder().register("asked", table).execute(statement)).to_pylist()
    return found
