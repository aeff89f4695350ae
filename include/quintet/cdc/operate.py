"""What a person asks of a capture and of its project's dead letters; each project has a program of its own for it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quintet.call import tell
from quintet.catalogue import ChangeSource, topic, topics
from quintet.cdc import connector, slots
from quintet.cdc.connect import Connect
from quintet.cdc.signals import snapshot_again, wait_until_captured
from quintet.settings import Lab, load_lab
from quintet.streams.deadletters import discard, letters, replay

__all__ = ["Verb", "run", "verbs_of"]

#: What a verb does, given the names that follow it; its answer is a JSON object.
Verb = Callable[[Lab, Sequence[str]], dict[str, Any]]


def verbs_of(source: ChangeSource) -> dict[str, Verb]:
    """Verbs that every capture has: show, wait, snapshot [table…], letters [topic], replay, discard topic [place…]."""

    def show(lab: Lab, _names: Sequence[str]) -> dict[str, Any]:
        state, slot = Connect.of(lab).state(connector.name_of(source)), slots.slot_of(lab, source)
        return {
            "connector": connector.name_of(source),
            "state": state.connector if state else "absent",
            "tasks": list(state.tasks) if state else [],
            "cause": state.trace if state else "",
            **(slot.as_json() if slot else {"slot": "absent"}),
        }

    def wait(lab: Lab, _names: Sequence[str]) -> dict[str, Any]:
        return {"seconds": round(wait_until_captured(lab, source), 3)}

    def snapshot(lab: Lab, names: Sequence[str]) -> dict[str, Any]:
        tables = list(names) or [table.name for table in source.tables]
        return {"tables": tables, "request": snapshot_again(lab, source, tables)}

    def list_letters(lab: Lab, names: Sequence[str]) -> dict[str, Any]:
        chosen = [topic(name) for name in names] or topics(source.project)
        return {"letters": [letter.as_json() for letter in letters(lab, chosen)]}

    return {
        "show": show,
        "wait": wait,
        "snapshot": snapshot,
        "letters": list_letters,
        "replay": _replay,
        "discard": _discard,
    }


def run(program: str, verbs: Mapping[str, Verb], arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, in the environment `streaming`; the exit code is the error's.

    The last line of output is `RESULT {json}`.
    """
    parser = argparse.ArgumentParser(prog=program, description="Look after the capture.")
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args(arguments)
    return tell(lambda: verbs[options.verb](load_lab(), options.names))


def _replay(lab: Lab, names: Sequence[str]) -> dict[str, Any]:
    name, *places = names
    return {"topic": name, "replayed": replay(lab, topic(name), places or None)}


def _discard(lab: Lab, names: Sequence[str]) -> dict[str, Any]:
    name, *places = names
    return {"topic": name, "discarded": discard(lab, topic(name), places or None)}
