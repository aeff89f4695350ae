"""Verbs about projects: generate, run, verify."""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quintet.cli.capture import MERGE, Work, run_capture, verify_capture
from quintet.cli.output import AsJson, print_json, print_table, say
from quintet.cli.progress import failure, follow
from quintet.cli.proofs import proof_of, tell_checks
from quintet.errors import VerifyError
from quintet.runs.elsewhere import GENERATORS, generate_elsewhere
from quintet.settings import Lab, load_lab

if TYPE_CHECKING:
    from quintet.catalogue import Project
    from quintet.runs.run import Outcome

__all__ = ["register"]

Slug = Annotated[str, typer.Argument(help="Slug of the project.")]
Days = Annotated[int, typer.Option(min=1, help="Days to generate.")]
Seed = Annotated[int, typer.Option(help="Seed: the same seed gives the same bytes.")]


def _day(value: str | None) -> str | None:
    """Refuse what is no day, before anything is done."""
    if value is None:
        return None
    try:
        return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
    except ValueError:
        raise typer.BadParameter(f"'{value}' is no day as YYYY-MM-DD") from None


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (generate, run, verify):
        app.command()(verb)


def generate(
    project: Slug,
    out: Annotated[Path, typer.Option(help="Folder to write; it must not hold an input already.")],
    days: Days = 30,
    seed: Seed = 7,
    poison_day: Annotated[int | None, typer.Option(help="Number of a day that is broken beyond the gate.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write input files together with the truth about them."""
    from quintet.catalogue import project as find
    from quintet.runs.record import hand_over
    from quintet.settings import lab_path

    if project in GENERATORS:
        figures = generate_elsewhere(project, out, days=days, seed=seed, poison_day=poison_day)
    else:
        find(project)
        figures = proof_of(project).generate(out, days=days, seed=seed, poison_day=poison_day)
    if lab_path().exists() and load_lab().path("home") in out.resolve().parents:
        hand_over(load_lab(), out)
    facts = {"folder": str(out), **figures}
    if as_json:
        print_json(facts)
    else:
        print_table(("metric", "value"), facts.items())


def run(
    project: Slug,
    input_folder: Annotated[Path | None, typer.Option("--input", help="Folder of files; else input is made.")] = None,
    days: Days = 30,
    seed: Seed = 7,
    first: Annotated[str | None, typer.Option("--from", callback=_day, help="First day, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", callback=_day, help="Last day, YYYY-MM-DD.")] = None,
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Compute every table anew.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Approve a full refresh that you asked for.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Empty the project's tables first.")] = False,
    dag: Annotated[str | None, typer.Option(help="Another DAG of the project.")] = None,
    cdc: Annotated[bool, typer.Option("--cdc", help="Change the shop's database and capture that.")] = False,
    changes: Annotated[int, typer.Option(min=0, help="With --cdc: changes to make.")] = 2000,
    rate: Annotated[float, typer.Option(min=0, help="With --cdc: changes a second at most; 0: no limit.")] = 0.0,
    large: Annotated[int, typer.Option(min=0, help="With --cdc: rows of one large transaction.")] = 500,
    as_json: AsJson = False,
) -> None:
    """Run a project through Airflow and show what came out."""
    from quintet.catalogue import project as find
    from quintet.runs import record
    from quintet.runs import run as runs

    if first and last and first > last:
        raise typer.BadParameter(f"the last day {last} lies before the first, {first}", param_hint="--to")
    entry = find(project)
    if dag not in (None, *(known.dag_id for known in entry.dags)):
        names = ", ".join(known.dag_id for known in entry.dags)
        raise typer.BadParameter(f"project {project} has no DAG '{dag}'; it has {names}", param_hint="--dag")
    lab = load_lab()
    if cdc:
        _require_sources(entry)
        work = Work(changes=changes, seed=seed, rate=rate, large=large)
        return run_capture(lab, work, fresh=fresh, as_json=as_json)
    lab.require(f"project {project}", *entry.profiles)
    parameters: dict[str, Any] = {"from": first, "to": last, "full_refresh": full_refresh}
    folder = None
    if dag in (None, entry.entry_dag):
        folder = runs.prepare_input(lab, entry, input_folder, days=days, seed=seed)
        say(f"input: {folder}")
        parameters["input"] = str(folder)
    else:
        # Other DAGs of a project take some of these, or none.
        parameters = {name: value for name, value in parameters.items() if value}
    if fresh:
        runs.require_quiet(lab, entry)
        say("emptying the project's tables")
        runs.reset_project(lab, entry)
    outcome = follow(lab, dag or entry.entry_dag, parameters, approve=yes)
    facts: dict[str, Any] = {
        "state": outcome.state,
        "dag_id": outcome.dag_id,
        "run_id": outcome.run_id,
        "seconds": round(outcome.seconds, 1),
        "peak_memory_mb": outcome.peak_memory_mb,
        "input": str(folder) if folder else None,
        "original_input": str(input_folder.resolve()) if input_folder else None,
        "steps": _steps(outcome),
        "url": outcome.url,
    }
    if folder:
        record.write(lab, project, "last_run", facts)
    if as_json:
        print_json(facts)
    if outcome.state != "success":
        raise failure(lab, outcome, proof_of(project).gate_remedy)
    if as_json:
        return
    proof = proof_of(project)
    if folder:
        for title, columns, rows in proof.answers(lab):
            print_table(columns, rows, title=title)
            sys.stdout.write("\n")
    print_table(("step", "seconds"), facts["steps"].items(), title="Steps")
    print_table(
        ("", ""),
        [
            ("seconds", facts["seconds"]),
            ("peak memory of the lab, MB", facts["peak_memory_mb"]),
            ("this run", facts["url"]),
            ("the lab", f"{lab.endpoint('airflow').url}/lab/"),
            (proof.door[0], lab.endpoint(proof.door[1]).url),
            ("passwords", "quintet secrets show airflow"),
        ],
    )


def verify(
    project: Slug,
    truth: Annotated[Path | None, typer.Option(help="Truth file; else that of the last run's input.")] = None,
    cdc: Annotated[bool, typer.Option("--cdc", help="Compare the shop's database with its copies instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare what the project holds with the truth of the input."""
    from quintet.catalogue import project as find
    from quintet.runs import record

    lab = load_lab()
    entry = find(project)
    if cdc:
        _require_sources(entry)
        return verify_capture(lab, as_json=as_json)
    proof = proof_of(project)
    known = proof.truth(truth, Path() if truth else _last_input(lab, project))
    found = [check.as_json() for check in proof.checks(lab, known)]
    facts = {"ok": all(check["ok"] for check in found), "source": known.source, "checks": found}
    record.write(lab, project, "last_verify", facts)
    tell_checks(found, remedy=f"Look at the last run, then run again: quintet run {project}", as_json=as_json)


def _require_sources(project: Project) -> None:
    if MERGE not in {dag.dag_id for dag in project.dags}:
        raise typer.BadParameter(f"project {project.slug} brings no captured changes into the lake", param_hint="--cdc")


def _steps(outcome: Outcome) -> dict[str, float]:
    steps: defaultdict[str, float] = defaultdict(float)
    for task in outcome.tasks:
        if task.seconds and task.state == "success":
            steps[".".join(task.task_id.split(".")[:2])] += task.seconds
    return {name: round(seconds, 1) for name, seconds in steps.items()}


def _last_input(lab: Lab, slug: str) -> Path:
    from quintet.runs import record

    try:
        last = record.read(lab, slug, "last_run")
    except ValueError as error:
        raise VerifyError("the record of the last run cannot be read", remedy=f"Run: quintet run {slug}") from error
    if last is None:
        raise VerifyError("no run is recorded", remedy=f"Run: quintet run {slug}")
    return Path(last["input"])
