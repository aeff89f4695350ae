"""Create every Delta table of the catalogue and register it in Trino: `python -m quintet.lake.create`.

Both steps look first and change only what is missing, so that a second run changes nothing. The last line of output
is `RESULT {"created": […], "registered": […]}`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from quintet.call import tell
from quintet.lake.tables import create_empty, delta_tables
from quintet.lake.trino import register
from quintet.settings import Lab, lab_of

__all__ = ["create_tables", "main"]


def create_tables(lab: Lab, *, trino: bool = True) -> dict[str, list[str]]:
    """Create what is missing; full names of the tables that were created and of those that were registered."""
    wanted = delta_tables()
    created = [table.full_name for table in wanted if create_empty(lab, table)]
    return {"created": created, "registered": register(lab, wanted) if trino else []}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="quintet.lake.create", description="Create and register the Delta tables.")
    parser.add_argument("--lab", type=Path, help="lab file (default: that of this machine)")
    parser.add_argument("--no-trino", action="store_true", help="only create; do not register in Trino")
    options = parser.parse_args(arguments)

    def work() -> dict[str, list[str]]:
        lab = lab_of(options.lab)
        return create_tables(lab, trino=not options.no_trino)

    return tell(work)


if __name__ == "__main__":
    sys.exit(main())
