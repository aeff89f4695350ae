"""The verb that publishes gold for other teams, and shows what is published."""

from __future__ import annotations

from typing import Annotated

import typer

from quintet.cli.output import AsJson, print_json, print_table
from quintet.cli.progress import failure, follow
from quintet.settings import load_lab

__all__ = ["register"]

#: Projects that publish -> the DAG that does it, and the program that says what is published.
_PROJECTS = {"lakehouse": ("lakehouse_publish_gold", "quintet.lakehouse.publish")}
_COLUMNS = ("table", "location", "row_count", "object_count", "bytes", "contract_version", "published_at")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(publish)


def publish(
    project: Annotated[str, typer.Argument(help="Slug of the project.")],
    only_list: Annotated[bool, typer.Option("--list", help="Show what is published; publish nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish gold in the object store, for other teams, and show what is published."""
    from quintet.runs.programs import run_module

    if project not in _PROJECTS:
        raise typer.BadParameter(
            f"project '{project}' publishes nothing; these do: {', '.join(_PROJECTS)}", param_hint="PROJECT"
        )
    lab = load_lab()
    lab.require("a publication", "lakehouse", "objects")
    dag_id, program = _PROJECTS[project]
    if not only_list:
        outcome = follow(lab, dag_id)
        if outcome.state != "success":
            raise failure(lab, outcome)
    found = run_module(lab, "spark", program)
    if as_json:
        print_json(found)
    else:
        print_table(_COLUMNS, [[entry[name] for name in _COLUMNS] for entry in found])
