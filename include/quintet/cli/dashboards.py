"""The verb `dashboards`: what Superset shows, and putting the release's dashboards in again."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from quintet.cli.output import AsJson, print_json, print_table, say
from quintet.settings import load_lab

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(dashboards)


def dashboards(
    publish: Annotated[bool, typer.Option("--publish", help="Import first what differs from the release.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the dashboards: project, title, owner, address, charts, and whether Superset has them as released."""
    from quintet.dashboards import publish as release
    from quintet.dashboards.server import enter

    lab = load_lab()
    lab.require("quintet dashboards", "dashboards")
    if publish:
        for name, what in release.publish(lab).items():
            say(f"{name}: {what}")
    with enter(lab) as session:
        rows = [dataclasses.asdict(one) for one in release.shown(lab, session)]
    if as_json:
        print_json({"dashboards": rows})
    else:
        columns = ("project", "title", "owner", "url", "charts", "is_current")
        print_table(columns, ([row[column] for column in columns] for row in rows))
