"""Empty the tables of one project: `python -m quintet.lake.reset <slug>`, in the spark environment.

Gold tables are dropped through Trino, so that their files go with them; Delta tables are unregistered, their folders
removed, and created empty again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence

from quintet.call import tell
from quintet.catalogue import Layer, tables
from quintet.lake.create import create_tables
from quintet.lake.tables import delta_path, delta_tables
from quintet.lake.trino import connect, query
from quintet.settings import Lab, load_lab

__all__ = ["main", "reset"]


def reset(lab: Lab, slug: str) -> dict[str, list[str]]:
    """Return the names of what was dropped and created.

    Raises:
        ServiceDownError: Trino does not answer; nothing was removed then.

    """
    connection = connect(lab)
    dropped = []
    for schema in sorted({entry.schema for entry in tables(slug) if entry.layer is Layer.GOLD}):
        rows = query(
            connection,
            "select table_name, table_type from iceberg.information_schema.tables where table_schema = ?",
            [schema],
        )
        for name, kind in rows:
            query(connection, f'drop {"view" if kind == "VIEW" else "table"} iceberg."{schema}"."{name}"')
            dropped.append(f"iceberg.{schema}.{name}")
    for entry in delta_tables(slug):
        known = query(
            connection,
            "select 1 from delta.information_schema.tables where table_schema = ? and table_name = ?",
            [entry.schema, entry.name],
        )
        if known:
            query(connection, f"call delta.system.unregister_table('{entry.schema}', '{entry.name}')")
        shutil.rmtree(delta_path(lab, entry), ignore_errors=True)
        dropped.append(entry.full_name)
    return {"dropped": dropped, "created": create_tables(lab)["created"]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of the module."""
    parser = argparse.ArgumentParser(prog="quintet.lake.reset", description="Empty the tables of one project.")
    parser.add_argument("project", help="slug of the project")
    options = parser.parse_args(arguments)
    return tell(lambda: reset(load_lab(), options.project))


if __name__ == "__main__":
    sys.exit(main())
