"""Verbs about data: sql, tables, history, rollback, quarantine, docs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from quintet import catalogue
from quintet.catalogue import Layer, Table
from quintet.catalogue.gold import described
from quintet.cli.output import AsJson, print_facts, print_json, print_table, say
from quintet.errors import QuintetError
from quintet.settings import load_lab

if TYPE_CHECKING:
    from quintet.lakehouse.quarantine import HeldFile, HeldRow

__all__ = ["register"]

#: The clone that the command runs from.
ROOT = Path(__file__).parents[3]

Slug = Annotated[str, typer.Argument(help="Slug of the project.")]
BrokenRule = Annotated[str | None, typer.Option("--rule", help="Rule that the rows broke.")]
Status = Annotated[
    Literal["open", "replayed", "superseded"] | None, typer.Option("--status", help="Only rows in this state.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(sql)
    app.command()(tables)
    app.command()(history)
    app.command()(rollback)
    app.command()(docs)
    quarantine = typer.Typer(help="Rows that broke a rule.", no_args_is_help=True)
    quarantine.command("list")(list_quarantine)
    quarantine.command("show")(show_quarantine)
    quarantine.command("replay")(replay_quarantine)
    app.add_typer(quarantine, name="quarantine")


def sql(
    statement: Annotated[str, typer.Argument(help="Statement in Trino's SQL.")],
    form: Annotated[Literal["table", "csv", "json"], typer.Option("--format", help="Form of the output.")] = "table",
    as_json: AsJson = False,
) -> None:
    """Run a statement through Trino."""
    names, rows = _ask(statement)
    if as_json or form == "json":
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows(rows)
    else:
        print_table(names, rows)


def tables(
    name: Annotated[str | None, typer.Argument(help="A table, to show its columns.")] = None,
    layer: Annotated[Layer | None, typer.Option(help="Only tables of this layer.")] = None,
    project: Annotated[str | None, typer.Option(help="Only tables of this project.")] = None,
    counted: Annotated[bool, typer.Option("--count/--no-count", help="Ask Trino for the number of rows.")] = True,
    as_json: AsJson = False,
) -> None:
    """List the tables of the catalogue, or the columns of one."""
    if name:
        _columns(name, as_json=as_json)
        return
    chosen = [entry for entry in catalogue.tables(project) if layer in (None, entry.layer)]
    rows_of = _counts(chosen) if counted else {}
    rows = [_described(entry, rows_of) for entry in chosen]
    if as_json:
        print_json(rows)
    elif not rows:
        say("there is no such table")
    else:
        shown = [column for column in rows[0] if column not in {"key", "writer"} and (counted or column != "rows")]
        print_table(shown, ([row[column] for column in shown] for row in rows))


def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when a document is out of date.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the documents that are generated from the catalogue and the command."""
    from quintet.docs.render import documents

    wanted = documents(ROOT)
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    names = [str(path.relative_to(ROOT)) for path in stale]
    if as_json:
        print_json({"out_of_date" if check else "written": names})
    if check and stale:
        raise QuintetError(f"out of date: {', '.join(names)}", remedy="Run: quintet docs")
    for path, name in zip(stale, names, strict=True):
        path.write_text(wanted[path], encoding="utf-8")
        say(f"wrote {name}")


def history(
    name: Annotated[str, typer.Argument(help="Full name of a table.")],
    limit: Annotated[int, typer.Option(min=1, help="Versions at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the versions of a table, latest first."""
    found = _travel("history", name, "--limit", str(limit))
    if as_json:
        print_json({"versions": found})
    else:
        print_table(tuple(found[0]) if found else (), (tuple(version.values()) for version in found))


def rollback(
    name: Annotated[str, typer.Argument(help="Full name of a table of silver or gold.")],
    version: Annotated[int, typer.Argument(help="Version that holds from now on; see: quintet history.")],
    as_json: AsJson = False,
) -> None:
    """Bring a table back to one of its versions; that can be taken back in the same way."""
    print_facts(_travel("rollback", name, str(version)), as_json=as_json)


def _travel(verb: str, name: str, *arguments: str) -> Any:
    from quintet.runs.programs import run_module

    return run_module(load_lab(), "spark", "quintet.lake.timetravel", verb, catalogue.table(name).full_name, *arguments)


def list_quarantine(project: Slug, status: Status = None, as_json: AsJson = False) -> None:
    """Count the rows in quarantine by file and status, and how many broke each rule."""
    from quintet.lakehouse.quarantine import list_files

    _require_quarantine(project)
    found = list_files(load_lab(), status=status)
    rows = [
        {**vars(held), "rules": ", ".join(f"{rule}: {rows}" for rule, rows in held.rules.items())} for held in found
    ]
    _show_held(found, rows, as_json=as_json)


def show_quarantine(
    project: Slug,
    file: Annotated[str | None, typer.Option(help="Name of the file.")] = None,
    rule: BrokenRule = None,
    status: Status = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show rows in quarantine as received, by file and line."""
    from quintet.lakehouse.quarantine import show_rows

    _require_quarantine(project)
    found = show_rows(load_lab(), file=file, rule=rule, status=status, limit=limit)
    # A terminal is not wide enough for all that is known of a row: JSON has it.
    rows = [
        {
            "file": held.file,
            "version": held.version,
            "line": held.line,
            "status": held.status,
            "reasons": ", ".join(held.reasons),
            "decided_by": held.decided_by,
            **held.received,
        }
        for held in found
    ]
    _show_held(found, rows, as_json=as_json)


def replay_quarantine(
    project: Slug,
    by: Annotated[str, typer.Option(help="Who decides: it is written beside the rows.")],
    file: Annotated[str | None, typer.Option(help="Name of the file.")] = None,
    line: Annotated[list[int] | None, typer.Option(help="Line of the file.")] = None,
    rule: BrokenRule = None,
    as_json: AsJson = False,
) -> None:
    """Accept rows as they are; the next run publishes them. Without file and rule: every open row."""
    from quintet.lakehouse.quarantine import replay_command
    from quintet.runs.programs import run_command

    _require_quarantine(project)
    lab = load_lab()
    done = run_command(lab, replay_command(lab, by=by, file=file, lines=line or [], rule=rule))
    print_facts(done, as_json=as_json or not isinstance(done, dict))


def _require_quarantine(slug: str) -> None:
    if not any(entry.name.endswith("__quarantine") for entry in catalogue.project(slug).tables):
        raise QuintetError(f"project {slug} has no quarantine")


def _show_held(found: Sequence[HeldFile | HeldRow], rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print what was found whole, or its rows as people read them."""
    if as_json:
        print_json({"rows": [vars(held) for held in found]})
    elif rows:
        print_table(tuple(rows[0]), (tuple(row.values()) for row in rows))
    else:
        say("nothing is in quarantine")


def _ask(statement: str) -> tuple[list[str], list[list[Any]]]:
    from quintet.lake.trino import connect, query_with_names

    return query_with_names(connect(load_lab()), statement)


def _columns(name: str, *, as_json: bool) -> None:
    entry = _with_columns(catalogue.table(name))
    columns: list[dict[str, Any]] = [
        {"column": column.name, "type": column.type, "pii": column.pii.value, "description": column.description}
        for column in entry.columns
    ]
    if as_json:
        print_json({**_described(entry, {}), "columns": columns})
    else:
        title = f"{entry.full_name}: {entry.description}. Owner {entry.owner}, key {', '.join(entry.key)}"
        print_table(tuple(columns[0]), (tuple(column.values()) for column in columns), title=title)


def _described(entry: Table, rows_of: Mapping[str, int | None]) -> dict[str, Any]:
    whole = _with_columns(entry)
    return {
        "table": whole.full_name,
        "layer": whole.layer.value,
        "rows": rows_of.get(whole.full_name),
        "columns": len(whole.columns),
        "owner": whole.owner,
        "pii": whole.pii.value,
        "writer": whole.writer.value,
        "key": list(whole.key),
        "description": whole.description,
    }


def _with_columns(entry: Table) -> Table:
    """Gold's columns are declared in dbt."""
    return described(entry, ROOT / "dbt" / "models" / "marts") if entry.layer is Layer.GOLD else entry


def _counts(entries: Iterable[Table]) -> dict[str, int | None]:
    """Rows by full name; None for a table that is not built yet."""
    from quintet.errors import LabError, ServiceDownError
    from quintet.lake.trino import connect, query

    connection = connect(load_lab())
    found: dict[str, int | None] = {}
    for entry in entries:
        try:
            found[entry.full_name] = int(query(connection, f"select count(*) from {entry.full_name}")[0][0])
        except ServiceDownError as error:
            remedy = f"{error.remedy}. Without rows: quintet tables --no-count"
            raise ServiceDownError(error.message, remedy=remedy) from error
        except LabError:
            found[entry.full_name] = None
    return found
