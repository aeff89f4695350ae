"""Verbs about lineage: where a table or column comes from, what hangs on it; search of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from quintet.cli.output import AsJson, print_json, print_table, say
from quintet.settings import load_lab

__all__ = ["register"]

Name = Annotated[str, typer.Argument(help="Table or table.column; the end of a full name is enough.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(lineage)
    catalogue = typer.Typer(help="What the platform holds.", no_args_is_help=True)
    catalogue.command("search")(search)
    # A group of one verb would take the verb's place.
    catalogue.callback()(lambda: None)
    app.add_typer(catalogue, name="catalogue")


def lineage(
    name: Name,
    upstream: Annotated[bool, typer.Option("--upstream", help="Only where it comes from.")] = False,
    downstream: Annotated[bool, typer.Option("--downstream", help="Only what is made of it.")] = False,
    impact: Annotated[bool, typer.Option("--impact", help="What breaks if it goes.")] = False,
    versions: Annotated[bool, typer.Option("--versions", help="Versions of its lineage, latest first.")] = False,
    at: Annotated[str | None, typer.Option(help="Lineage of this time, ISO 8601.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show where a table or column comes from and what is made of it."""
    question = "impact" if impact else "versions" if versions else "of"
    answer = _ask(question, name, at)
    if as_json:
        print_json(answer)
    elif impact:
        _print_impact(answer)
    elif versions:
        rows = ((row["job"], row["valid_from"], row["valid_to"] or "now", row["links"]) for row in answer["versions"])
        print_table(("job", "from", "to", "links"), rows, title=answer["table"])
    else:
        ways = [way for way, asked in (("upstream", upstream), ("downstream", downstream)) if asked]
        _print_ways(answer, ways or ["upstream", "downstream"])


def search(
    text: Annotated[list[str], typer.Argument(help="Words; also pii:direct, owner:NAME, layer:gold, column:NAME.")],
    limit: Annotated[int, typer.Option(min=1, help="Entries at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Find tables and topics by name, column, owner, description or class of personal data."""
    from quintet.catalogue.search import search as find

    rows = [found.as_json() for found in find(" ".join(text), limit=limit)]
    if as_json:
        print_json(rows)
    elif not rows:
        say("nothing in the catalogue has all of these words")
    else:
        shown = ("name", "kind", "owner", "pii", "columns", "description")
        print_table(shown, (_cells(row, shown) for row in rows))


def _ask(question: str, name: str, at: str | None) -> Any:
    from quintet.runs.programs import run_module

    # The driver of PostgreSQL is in Airflow's environment.
    return run_module(load_lab(), "airflow", "quintet.lineage.command", question, name, *(["--at", at] if at else []))


def _print_ways(answer: Mapping[str, Any], ways: Iterable[str]) -> None:
    written = answer["written"]
    last = f", last written {written['at']} by {written['job']}" if written else ""
    title = f"{answer['spot']}: {answer['description']}. Owner {answer['owner']}, personal data: {answer['pii']}{last}"
    for way in ways:
        rows = (
            ("  " * (row["distance"] - 1) + row["name"], row["kind"], row["via"], ", ".join(row["jobs"]))
            for row in answer[way]
        )
        print_table((way, "how", "by way of", "job"), rows, title=title)
        title = ""


def _print_impact(answer: Mapping[str, Any]) -> None:
    if answer["is_free"]:
        say(f"nothing depends on {answer['spot']}")
        return
    say(f"if {answer['spot']} goes:")
    parts = {
        "columns that lose their value": [row["column"] for row in answer["columns"]],
        "tables whose rows it decides about": answer["rows_of"],
        "tables concerned": answer["tables"],
        "tests of dbt": [test for _, test in answer["tests"]],
        "exposures": [name for name, _ in answer["exposures"]],
        "contracts": [name for _, name in answer["contracts"]],
        "DAGs": answer["dags"],
        "owners to tell": answer["owners"],
    }
    print_table(("what", "number", "which"), ((what, len(found), "\n".join(found)) for what, found in parts.items()))


def _cells(row: Mapping[str, Any], shown: Iterable[str]) -> list[Any]:
    return [", ".join(row[name]) if isinstance(row[name], list) else row[name] for name in shown]
