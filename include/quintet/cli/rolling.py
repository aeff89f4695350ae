"""Verbs for taking a node away and back: gate, handover."""

from __future__ import annotations

from typing import Annotated

import typer

from quintet.cli.lab import show_health
from quintet.cli.output import AsJson, print_json, say
from quintet.settings import load_lab

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(gate)
    app.command()(handover)


def gate(
    here: Annotated[bool, typer.Option("--here", help="Look at the services of this node, not at the lab.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether a node may be taken away now: nothing lacks a copy or a worker. Ends with 1 when something does.

    Asked on the node of Airflow; with `--here` on any node, for its services.
    """
    from quintet.health.gates import examine_lab, examine_node

    lab = load_lab()
    show_health(examine_node(lab) if here else examine_lab(lab), as_json=as_json)


def handover(as_json: AsJson = False) -> None:
    """Make another node primary of PostgreSQL and Redis where this one is."""
    from quintet.health.handover import hand_over

    done = hand_over(load_lab())
    if as_json:
        print_json({"handed_over": done})
        return
    for line in done or ["this node is primary of nothing that another could take"]:
        say(line)
