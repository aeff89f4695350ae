"""The SQL of the gold tables in one DuckDB process over the Parquet files of silver: the peer of the gold build.

`python duckdb_gold.py PLAN`: the file PLAN holds {"sources": {"catalog.schema.table": folder of the Delta table},
"models": [{"name", "relation", "sql"}] in order of need, "out": folder for the results}. Prints {"seconds", "models":
[{"name", "seconds", "rows", "sums": {column: text}} or {"name", "error"}]}; the clock starts after the imports and
stops when the last table lies on the disk as Parquet.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable


def attach(connection: duckdb.DuckDBPyConnection, sources: dict[str, str]) -> None:
    """Silver as views under the names that the models use."""
    for name, folder in sources.items():
        catalog, schema, _table = name.split(".")
        make_schema(connection, catalog, schema)
        table = DeltaTable(folder)
        if files := ", ".join(f"'{uri}'" for uri in table.file_uris()):
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}])")
        else:
            # Such as the quarantine of a set in which no row is bad.
            empty = pa.schema(table.schema().to_arrow()).empty_table()
            connection.from_arrow(empty).create(name)


def make_schema(connection: duckdb.DuckDBPyConnection, catalog: str, schema: str) -> None:
    connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {catalog}")
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema}")


def build(connection: duckdb.DuckDBPyConnection, model: dict[str, str], out: Path) -> dict[str, Any]:
    start = time.perf_counter()
    relation = model["relation"]
    try:
        connection.execute(f"CREATE TABLE {relation} AS {model['sql']}")
        connection.execute(f"COPY {relation} TO '{out / model['name']}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    except duckdb.Error as error:
        return {"name": model["name"], "error": str(error).splitlines()[0]}
    return {"name": model["name"], "seconds": round(time.perf_counter() - start, 3)}


def checked(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, Any]:
    """Rows, and the sum of every decimal column."""
    columns = connection.execute(f"DESCRIBE {relation}").fetchall()
    money = [column[0] for column in columns if column[1].startswith("DECIMAL")]
    asked = ", ".join(["count(*)", *(f'sum("{name}")' for name in money)])
    found = connection.execute(f"SELECT {asked} FROM {relation}").fetchall()[0]
    return {"rows": found[0], "sums": dict(zip(money, map(str, found[1:]), strict=True))}


def main(file: str) -> None:
    plan = json.loads(Path(file).read_text(encoding="utf-8"))
    start = time.perf_counter()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    attach(connection, plan["sources"])
    for model in plan["models"]:
        catalog, schema, _table = model["relation"].replace('"', "").split(".")
        make_schema(connection, catalog, schema)
    models = [build(connection, model, Path(plan["out"])) for model in plan["models"]]
    seconds = time.perf_counter() - start
    for model, relation in zip(models, (entry["relation"] for entry in plan["models"]), strict=True):
        if "error" not in model:
            model |= checked(connection, relation)
    sys.stdout.write(json.dumps({"seconds": round(seconds, 3), "models": models}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
