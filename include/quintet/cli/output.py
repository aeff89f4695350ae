"""Output of the verbs: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

__all__ = ["AsJson", "print_json", "print_table", "say"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def print_json(content: Any) -> None:
    """Print a value as JSON; times and decimals become text."""
    sys.stdout.write(json.dumps(content, indent=1, default=str) + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Print rows as a table, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title or None, title_justify="left", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)


def say(text: str) -> None:
    """Print one line of progress where it does not disturb the output."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
