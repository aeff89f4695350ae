# environment: spark
# versions: deltalake pyarrow
"""CSV bytes against Delta bytes on the same lines: what dictionary, compression and order of rows each bring.

The first rows of the table are the bronze table exactly as the landing leaves it, all seven provenance columns
included; the others are written from its rows, step by step. Data files only; the transaction log is stated apart.
The bar: the CSV files are at least twelve times as large as bronze.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from deltalake import ColumnProperties, DeltaTable, WriterProperties, write_deltalake
from measuring import headline, input_folder, progress, raw, scratch_lab

from quintet.catalogue.lakehouse import INVOICE_LINES_RAW
from quintet.lake.landing import land
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lakehouse.feeds import INVOICE_LINES, files_of

BAR = 12.0
#: Lines of one product, then of one day, lie together: description, price and country repeat.
ORDER = [("stock_code", "ascending"), ("invoice_date", "ascending")]


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.parquet"))


def properties(compression: str, level: int | None, *, dictionary: bool) -> WriterProperties:
    return WriterProperties(
        compression=compression,
        compression_level=level,
        default_column_properties=ColumnProperties(dictionary_enabled=dictionary),
        column_properties={"_line_number": ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")},
    )


def written(target: Path, rows: pa.Table, chosen: WriterProperties) -> tuple[int, float]:
    start = time.perf_counter()
    write_deltalake(target, rows, writer_properties=chosen)
    return bytes_below(target), time.perf_counter() - start


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        folder, what = input_folder(place / "shop")
        files = files_of(INVOICE_LINES, folder)
        csv_bytes = sum(path.stat().st_size for path in files)
        lab = scratch_lab(place / "lab")
        start = time.perf_counter()
        land(lab, INVOICE_LINES, files, batch_id="bench")
        seconds = time.perf_counter() - start
        bronze = delta_path(lab, INVOICE_LINES_RAW)
        landed = bytes_below(bronze)
        log = sum(path.stat().st_size for path in (bronze / "_delta_log").iterdir() if path.is_file())
        whole = pa.table(DeltaTable(bronze).scan()).cast(arrow_schema(INVOICE_LINES_RAW))
        whole = whole.sort_by([("_source_file", "ascending"), ("_line_number", "ascending")])
        received = whole.select([name for name in whole.column_names if not name.startswith("_")])
        variants: list[tuple[str, Callable[[], pa.Table], WriterProperties]] = [
            ("no dictionary, no compression", lambda: whole, properties("UNCOMPRESSED", None, dictionary=False)),
            ("dictionary, no compression", lambda: whole, properties("UNCOMPRESSED", None, dictionary=True)),
            ("dictionary, snappy", lambda: whole, properties("SNAPPY", None, dictionary=True)),
            ("dictionary, zstd 3", lambda: whole, properties("ZSTD", 3, dictionary=True)),
            ("dictionary, zstd 9", lambda: whole, properties("ZSTD", 9, dictionary=True)),
            (
                "dictionary, zstd 3, sorted by product",
                lambda: whole.sort_by(ORDER),
                properties("ZSTD", 3, dictionary=True),
            ),
            (
                "the eight received columns, dictionary, zstd 3",
                lambda: received,
                properties("ZSTD", 3, dictionary=True),
            ),
            (
                "the eight received columns, dictionary, zstd 3, sorted by product",
                lambda: received.sort_by(ORDER),
                properties("ZSTD", 3, dictionary=True),
            ),
        ]
        results = [
            {"form": "bronze as landed (15 columns, in order of file and line)", "bytes": landed, "seconds": seconds}
        ]
        for number, (form, rows, chosen) in enumerate(variants):
            size, took = written(place / str(number), rows(), chosen)
            progress(f"{form}: {size:,} bytes")
            results.append({"form": form, "bytes": size, "seconds": took})
    ratio = csv_bytes / landed
    lines = [
        f"Input: {what}, {len(files)} files, {csv_bytes:,} bytes, {whole.num_rows:,} records.\n",
        "| form | bytes | CSV / Delta | seconds to write |",
        "|---|---|---|---|",
        *(
            f"| {row['form']} | {row['bytes']:,} | {csv_bytes / float(str(row['bytes'])):.1f}x | {row['seconds']:.2f} |"
            for row in results
        ),
        f"\nTransaction log of the landed table: {log:,} bytes (ledger rows and transactions of all files in it).",
    ]
    sys.stdout.write("\n".join(lines) + "\n\n")
    headline(
        f"the CSV files are {ratio:.1f}x as large as bronze, provenance included "
        f"(bar: {BAR:.0f}x: {'held' if ratio >= BAR else 'MISSED'})"
    )
    raw(results)
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
