"""Verbs about captured changes: the run and the proof with `--cdc`, the capture itself, and its dead letters."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from quintet.cli.output import AsJson, print_facts, print_json, print_table, say
from quintet.cli.progress import failure, follow
from quintet.cli.proofs import tell_checks
from quintet.errors import LabError
from quintet.settings import Lab, load_lab

__all__ = ["MERGE", "Work", "register", "run_capture", "verify_capture"]

#: DAG that brings captured changes into the lake.
MERGE = "lakehouse_merge_shop_changes"
RECORD = "last_cdc"
#: Pieces of work that the proof still counts; older ones are told by the hashes alone.
PIECES = 20
_SHOP = "quintet.lakehouse.shop"
#: Project -> program that looks after its capture.
_PROGRAMS = {"lakehouse": f"{_SHOP}.operate", "ecommerce": "quintet.ecommerce.operate"}

Slug = Annotated[str, typer.Argument(help="Slug of the project.")]
Tables = Annotated[list[str] | None, typer.Argument(help="Tables of the source; none: all.")]
TopicName = Annotated[str, typer.Argument(help="Topic.")]
Places = Annotated[list[str] | None, typer.Argument(help="Places of dead letters, topic/partition/offset; none: all.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    capture = typer.Typer(help="Look after the capture of a database's changes.", no_args_is_help=True)
    capture.command("show")(show)
    capture.command("snapshot")(snapshot)
    capture.command("recover")(recover)
    capture.command("release")(release)
    app.add_typer(capture, name="capture")
    dead = typer.Typer(help="Records of topics that could not be read.", no_args_is_help=True)
    dead.command("list")(list_letters)
    dead.command("show")(show_letter)
    dead.command("replay")(replay_letters)
    dead.command("discard")(discard_letters)
    app.add_typer(dead, name="deadletters")


@dataclass(frozen=True)
class Work:
    """Changes to make: how many, by which seed, how many a second at most, rows of one large transaction."""

    changes: int
    seed: int
    rate: float
    large: int

    def arguments(self) -> list[str]:
        """Options of the workload's program."""
        return [f"--{name}={value}" for name, value in asdict(self).items()]


def run_capture(lab: Lab, work: Work, *, fresh: bool, as_json: bool) -> None:
    """Change the shop's database, bring the changes into both lakes, and show what came out.

    With `fresh` the change log in the lake and the copies made of it are emptied first: they land anew from the topics.

    Raises:
        LabError: a profile is missing, or a step failed.
        GateError: a topic waits for its contract.

    """
    from quintet.runs import record

    _require(lab)
    if fresh:
        say("emptying the change log and its copies")
        _program(lab, "operate", "empty")
    say("schema, topics, connector")
    prepared = _program(lab, "proof", "prepare")
    say(f"changing the shop: {work.changes} changes")
    piece = _program(lab, "workload", *work.arguments())
    captured = _program(lab, "proof", "wait")
    outcome = follow(lab, MERGE)
    pieces = [*((record.read(lab, "lakehouse", RECORD) or {}).get("pieces", [])), {**piece, "log": prepared["log"]}]
    facts = {
        "state": outcome.state,
        "url": outcome.url,
        "prepared": prepared,
        "captured_seconds": captured["seconds"],
        "seconds": round(outcome.seconds, 1),
        "pieces": pieces[-PIECES:],
    }
    record.write(lab, "lakehouse", RECORD, facts)
    if as_json:
        print_json(facts)
    if outcome.state != "success":
        raise failure(lab, outcome)
    if as_json:
        return
    print_table(("table and operation", "changes"), piece["changes"].items(), title="Changes of the shop")
    sys.stdout.write("\n")
    print_table(
        ("", ""),
        [
            ("changes", piece["total"]),
            ("seconds of the work", piece["seconds"]),
            ("seconds until all was in the topics", captured["seconds"]),
            ("seconds of landing and merge", facts["seconds"]),
            ("this run", outcome.url),
            ("the proof", "quintet verify lakehouse --cdc"),
        ],
    )


def verify_capture(lab: Lab, *, as_json: bool) -> None:
    """Compare the shop's database with its copies in Delta and Iceberg.

    Raises:
        LabError: a profile is missing, or a service does not answer.
        VerifyError: something differs.

    """
    import json

    from quintet.runs import record

    _require(lab)
    pieces = (record.read(lab, "lakehouse", RECORD) or {}).get("pieces", [])
    found = _program(lab, "proof", "verify", "--truth", json.dumps({"pieces": pieces}))["checks"]
    facts = {"ok": all(check["ok"] for check in found), "checks": found}
    record.write(lab, "lakehouse", "last_cdc_verify", facts)
    remedy = "Let both lakes catch up and verify again: quintet run lakehouse --cdc --changes 0"
    tell_checks(found, remedy=remedy, as_json=as_json)


def show(project: Slug, as_json: AsJson = False) -> None:
    """Show connector and slot: whether they run, how far behind, what they hold back."""
    print_facts(_operate(project, "show"), as_json=as_json)


def snapshot(project: Slug, tables: Tables = None, as_json: AsJson = False) -> None:
    """Have tables read again, in pieces, while the capture goes on."""
    found = _operate(project, "snapshot", *(tables or ()))
    _answer(found, f"asked for {', '.join(found['tables'])}", as_json=as_json)


def recover(project: Slug, as_json: AsJson = False) -> None:
    """Begin anew after a slot was lost: read all tables, and delete what went meanwhile."""
    found = _operate(project, "recover")
    gone = ", ".join(f"{count} of {table}" for table, count in found["gone"].items()) or "none"
    _answer(found, f"read anew in {found['seconds']} s; rows that had gone meanwhile: {gone}", as_json=as_json)


def release(
    project: Slug,
    table: Annotated[str, typer.Argument(help="Table of the source.")],
    as_json: AsJson = False,
) -> None:
    """Put aside the records of a table that broke its contract, and have the table read again."""
    _require_log(project)
    found = _operate(project, "release", table)
    count = sum(found["put_aside"].values())
    _answer(found, f"{count} records put aside; {table} is read again", as_json=as_json)


def list_letters(project: Slug, as_json: AsJson = False) -> None:
    """List the records that could not be read, with the reason."""
    found = _operate(project, "letters")["letters"]
    if not as_json:
        rows = [(letter["place"], letter["found_at"], letter["reason"], letter["detail"]) for letter in found]
        print_table(("place", "found at", "reason", "detail"), rows)
    _answer({"letters": found}, f"{len(found)} waiting", as_json=as_json)


def show_letter(
    project: Slug,
    place: Annotated[str, typer.Argument(help="topic/partition/offset")],
    as_json: AsJson = False,
) -> None:
    """Show one of them: key, value, reason."""
    found = [letter for letter in _operate(project, "letters")["letters"] if letter["place"] == place]
    if not found:
        raise LabError(f"there is no dead letter {place}", remedy=f"See: quintet deadletters list {project}")
    print_facts(found[0], as_json=as_json)


def replay_letters(project: Slug, topic: TopicName, places: Places = None, as_json: AsJson = False) -> None:
    """Send dead letters back to their topic, all or those named; each is then in one place only."""
    found = _operate(project, "replay", topic, *(places or ()))
    _answer(found, f"{found['replayed']} sent to {topic} again", as_json=as_json)


def discard_letters(project: Slug, topic: TopicName, places: Places = None, as_json: AsJson = False) -> None:
    """Give dead letters up, all of a topic or those named."""
    found = _operate(project, "discard", topic, *(places or ()))
    _answer(found, f"{found['discarded']} given up", as_json=as_json)


def _require_log(slug: str) -> None:
    from quintet.catalogue import project as find

    if find(slug).sources and MERGE not in {dag.dag_id for dag in find(slug).dags}:
        raise LabError(
            f"of what project {slug} captures nothing is held: streams read it as it comes",
            remedy=f"What they cannot read: quintet deadletters list {slug}",
        )


def _answer(found: Any, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        say(text)


def _operate(slug: str, verb: str, *names: str) -> Any:
    from quintet.catalogue import project as find
    from quintet.runs.programs import run_module

    lab = load_lab()
    if not find(slug).sources:
        raise LabError(f"project {slug} captures no changes", remedy=f"These do: {', '.join(_PROGRAMS)}")
    _require(lab)
    return run_module(lab, "streaming", _PROGRAMS[slug], verb, *names)


def _program(lab: Lab, module: str, *arguments: str) -> Any:
    from quintet.runs.programs import run_module

    return run_module(lab, "streaming", f"{_SHOP}.{module}", *arguments)


def _require(lab: Lab) -> None:
    lab.require("the capture", "lakehouse", "streaming")
