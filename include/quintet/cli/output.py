"""Output of the verbs: tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

__all__ = ["AsJson", "print_facts", "print_json", "print_table", "say"]

#: Columns of an output that is read by a program.
WIDE = 1000

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def print_json(content: Any) -> None:
    """Print a value as JSON; times and decimals become text."""
    sys.stdout.write(json.dumps(content, indent=1, default=str) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Print rows as a table: as wide as the terminal, or one line a row where nobody looks."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        # As text: brackets in data are no markup.
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    is_seen = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(width=None if is_seen else WIDE)
    with console.capture() as shown:
        if title:
            console.print(Text(title, style="italic"))
        console.print(table)
    # The last column is not filled up with spaces.
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in shown.get().splitlines())


def print_facts(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print names and values: as JSON for programs, else as a table."""
    if as_json:
        print_json(facts)
    else:
        print_table(("", ""), facts.items())


def say(text: str) -> None:
    """Print one line of progress where it does not disturb the output."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
