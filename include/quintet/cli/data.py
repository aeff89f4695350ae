"""Verbs about data: sql, tables, quarantine, docs."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from quintet.cli.output import AsJson, print_json, print_table, say
from quintet.errors import QuintetError
from quintet.settings import load_lab

__all__ = ["register"]

Slug = Annotated[str, typer.Argument(help="Slug of the project.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(sql)
    app.command()(tables)
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
    counted: Annotated[bool, typer.Option("--count/--no-count", help="Ask Trino for the number of rows.")] = True,
    as_json: AsJson = False,
) -> None:
    """List the tables of the catalogue with owner, class of personal data and number of rows."""
    from quintet.catalogue import tables as catalogue

    rows = []
    for entry in catalogue():
        row: dict[str, Any] = {
            "table": entry.full_name,
            "owner": entry.owner,
            "pii": entry.pii.value,
            "writer": entry.writer.value,
        }
        if counted:
            row["rows"] = _count(entry.full_name)
        rows.append({**row, "description": entry.description})
    if as_json:
        print_json(rows)
    else:
        print_table(tuple(rows[0]), (tuple(row.values()) for row in rows))


def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail when a document is out of date.")
    ] = False,
) -> None:
    """Write the documents that are generated from the catalogue."""
    from quintet.docs.render import documents

    root = Path(__file__).parents[3]
    stale = [path for path, text in documents(root).items() if not path.exists() or path.read_text("utf-8") != text]
    if check and stale:
        names = ", ".join(str(path.relative_to(root)) for path in stale)
        raise QuintetError(f"out of date: {names}", remedy="Run: quintet docs")
    for path in stale:
        path.write_text(documents(root)[path], encoding="utf-8")
        say(f"wrote {path.relative_to(root)}")


def list_quarantine(project: Slug, as_json: AsJson = False) -> None:
    """Count the rows in quarantine by file, reason and status."""
    names, rows = _ask(
        "select _source_file as file, _file_version as version, _reasons as reasons, _status as status, "
        'count(*) as "rows", min(_line_number) as first_line '
        f"from {_table(project)} group by 1, 2, 3, 4 order by 1, 2, 3"
    )
    _show(names, rows, as_json=as_json)


def show_quarantine(
    project: Slug,
    file: Annotated[str, typer.Option(help="Name of the file.")],
    limit: Annotated[int, typer.Option(help="Rows at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the rows of one file in quarantine, as received."""
    names, rows = _ask(
        f"select * from {_table(project)} where _source_file = ? order by _line_number limit {limit}", file
    )
    _show(names, rows, as_json=as_json)


def replay_quarantine(
    project: Slug,
    by: Annotated[str, typer.Option(help="Who decides: it is written beside the rows.")],
    file: Annotated[str | None, typer.Option(help="Name of the file.")] = None,
    line: Annotated[list[int] | None, typer.Option(help="Line of the file.")] = None,
    rule: Annotated[str | None, typer.Option(help="Rule that the rows broke.")] = None,
) -> None:
    """Accept rows as they are; the next run publishes them. Without file and rule: every open row."""
    from quintet.lakehouse.quarantine import replay_command
    from quintet.runs.programs import run_command

    _table(project)
    lab = load_lab()
    print_json(run_command(lab, replay_command(lab, by=by, file=file, lines=line or [], rule=rule)))


def _table(slug: str) -> str:
    from quintet.catalogue import project

    for entry in project(slug).tables:
        if entry.name.endswith("__quarantine"):
            return entry.full_name
    raise QuintetError(f"project {slug} has no quarantine")


def _show(names: list[str], rows: list[list[Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"rows": [dict(zip(names, row, strict=True)) for row in rows]})
    elif rows:
        print_table(names, rows)
    else:
        say("nothing is in quarantine")


def _ask(statement: str, *parameters: Any) -> tuple[list[str], list[list[Any]]]:
    from quintet.lake.trino import connect, query_with_names

    return query_with_names(connect(load_lab()), statement, parameters)


def _count(name: str) -> int | None:
    from quintet.errors import LabError, ServiceDownError

    try:
        return int(_ask(f"select count(*) from {name}")[1][0][0])
    except ServiceDownError:
        raise
    except LabError:  # not built yet
        return None
