"""Versions of a table, and the way back to one of them.

A version of a Delta table is a commit, one of an Iceberg table a snapshot. Both stay readable until the care of the
tables removes files that only they need (`quintet.lake.care.RETENTION_HOURS`).

Rolling back is a change of its own: what was there before can be rolled back to in turn.

`python -m quintet.lake.timetravel {history,rollback} <catalog.schema.table> …`, in the spark environment, as the
lab's user; the last line is `RESULT {json}`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import trino

from quintet.call import tell
from quintet.catalogue import Layer, Table
from quintet.catalogue import table as find
from quintet.lake import deltaversions, icebergversions
from quintet.lake.errors import VersionError
from quintet.lake.trino import connect
from quintet.settings import Lab, load_lab

__all__ = ["HISTORY_LIMIT", "history", "main", "rollback"]

T = TypeVar("T")

#: Versions that are told when nobody asks for more: counting the rows of one reads the log up to it.
HISTORY_LIMIT = 20


def history(lab: Lab, table: Table, *, limit: int | None = HISTORY_LIMIT) -> list[dict[str, Any]]:
    """Versions, latest first: {"version", "at" (ISO, UTC), "operation", "rows", "is_current", "is_readable"}.

    `rows` is the number of rows of the table at that version; None: the log no longer tells. A version that is not
    readable has lost files to the care of the tables.

    Raises:
        VersionError: the table is not there.
        ServiceDownError: an Iceberg table, and Trino does not answer.

    """
    if table.catalog == "delta":
        return deltaversions.history(lab, table, limit)
    return _asking(lab, lambda connection: icebergversions.history(connection, table, limit))


def rollback(lab: Lab, table: Table, version: int) -> dict[str, Any]:
    """Make a version (Delta: its number, Iceberg: the snapshot's id) the current state of the table.

    Returns {"table", "from", "to", "version": what is current now, "rows"}. Rolling back to the current version
    changes nothing. Tables built from this one, and the balance of files, are not rolled back with it: a full refresh
    computes them anew.

    Raises:
        VersionError: there is no such version, its files are gone, or the table is one of bronze: what has landed
            counts as landed for ever.
        ServiceDownError: an Iceberg table, and Trino does not answer.

    """
    if table.layer is Layer.BRONZE:
        raise VersionError(
            f"the table {table.full_name} cannot be rolled back: every content lands once, and the files of the later "
            "versions would never land again",
            remedy="Read the old version, or restore a backup of the whole lab",
        )
    if table.catalog == "delta":
        return deltaversions.rollback(lab, table, version)
    return _asking(lab, lambda connection: icebergversions.rollback(connection, table, version))


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of the module."""
    parser = argparse.ArgumentParser(prog="quintet.lake.timetravel", description="Versions of a table.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    told = verbs.add_parser("history", help="tell the versions, latest first")
    told.add_argument("table", help="catalog.schema.table")
    told.add_argument("--limit", type=int, default=HISTORY_LIMIT, help="versions at most")
    back = verbs.add_parser("rollback", help="make a version the current one")
    back.add_argument("table", help="catalog.schema.table")
    back.add_argument("version", type=int, help="number of the version, or id of the snapshot")
    options = parser.parse_args(arguments)

    def work() -> Any:
        table = find(options.table)
        if options.verb == "history":
            return history(load_lab(), table, limit=options.limit)
        return rollback(load_lab(), table, options.version)

    return tell(work)


def _asking(lab: Lab, ask: Callable[[trino.dbapi.Connection], T]) -> T:
    connection = connect(lab)
    try:
        return ask(connection)
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
