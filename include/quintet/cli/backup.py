"""Verbs about backups of PostgreSQL: take, list, check, drill, copy, restore."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from quintet.cli.output import AsJson, print_facts, print_json, print_table, say
from quintet.settings import load_lab

__all__ = ["register"]

Folder = Annotated[str, typer.Argument(help="Folder, empty or absent.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    backup = typer.Typer(help="Look after the backups of PostgreSQL.", no_args_is_help=True)
    backup.command("postgres")(back_up)
    for verb in (check, drill, rotate, remove, upload, fetch, restore):
        backup.command()(verb)
    backup.command("list")(list_backups)
    backup.command("run")(run_dag)
    app.add_typer(backup, name="backup")


def back_up(
    kind: Annotated[
        Literal["auto", "full", "diff", "incr"],
        typer.Option(help="full; diff: since the last full one; incr: since the last; auto: full on Sundays."),
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Take a backup of all databases. Old ones stay until they are rotated away."""
    from quintet.backups import tasks

    print_facts(tasks.back_up(kind), as_json=as_json)


def list_backups(as_json: AsJson = False) -> None:
    """List the backups, the moments that can be restored, and what the last drill found."""
    from quintet.backups import tasks

    found = tasks.listing()
    if as_json:
        print_json(found)
        return
    rows = [
        (entry["label"], entry["kind"], entry["ended_at"], entry["size"] // 1024**2, entry["stored"] // 1024**2)
        for entry in found["backups"]
    ]
    print_table(("backup", "kind", "ended at", "database MB", "stored MB"), rows, title=found["folder"])
    if not rows:
        say("there is none yet: quintet backup postgres")
        return
    say(f"restorable: every moment from {found['restorable_from']} to {found['restorable_to']}")
    if found["last"]:
        say(f"lost at most, when the last backup began: {found['last']['lost_s']} s")
    last = found["drill"]
    told = f"last drill: {last['at']}, restored in {last['restored_in_s']} s" if last else "no drill yet"
    say(told)


def run_dag(as_json: AsJson = False) -> None:
    """Switch the daily DAG on and run it now: backup, reading of all of it, drill, rotation, copy."""
    from quintet.catalogue import PLATFORM_DAGS
    from quintet.cli.progress import failure, follow

    lab = load_lab()
    outcome = follow(lab, PLATFORM_DAGS[0].dag_id)
    facts = {"state": outcome.state, "seconds": round(outcome.seconds, 1), "url": outcome.url}
    if as_json:
        print_json(facts)
    if outcome.state != "success":
        raise failure(lab, outcome)
    if not as_json:
        print_facts(facts, as_json=False)


def check(as_json: AsJson = False) -> None:
    """Read every file of the repository, compare checksums, look for gaps in the log."""
    from quintet.backups import tasks

    print_facts(tasks.check(), as_json=as_json)


def drill(as_json: AsJson = False) -> None:
    """Restore to a moment into a scratch folder and compare the rows of all tables; says how long it took."""
    from quintet.backups import tasks

    print_facts(tasks.drill(), as_json=as_json)


def rotate(as_json: AsJson = False) -> None:
    """Remove full backups that are older than is kept, with what hangs on them."""
    from quintet.backups import tasks

    print_facts(tasks.rotate(), as_json=as_json)


def remove(
    label: Annotated[str, typer.Argument(help="Name of the backup, as `list` shows it.")], as_json: AsJson = False
) -> None:
    """Remove one backup, with what hangs on it."""
    from quintet.backups import tasks

    print_facts(tasks.remove(label), as_json=as_json)


def upload(as_json: AsJson = False) -> None:
    """Make the copy in the object store equal to the repository."""
    from quintet.backups import tasks

    print_facts(tasks.upload(), as_json=as_json)


def fetch(folder: Folder, as_json: AsJson = False) -> None:
    """Write the copy of the object store into an empty folder, as a repository to restore from."""
    from quintet.backups import tasks

    print_facts(tasks.fetch(folder), as_json=as_json)


def restore(
    folder: Folder,
    to: Annotated[
        str | None, typer.Option(help="Moment, as 2026-11-23T04:05:06+00:00; none: the end of the log.")
    ] = None,
    repository: Annotated[str | None, typer.Option(help="Another repository, as `fetch` writes it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Restore all databases into an empty folder; a server that starts there goes on to the moment."""
    from quintet.backups import tasks

    facts: dict[str, Any] = tasks.restore(folder, to, repository)
    print_facts(facts, as_json=as_json)
