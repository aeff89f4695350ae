"""What a person asks of the capture and of its dead letters: `python -m quintet.lakehouse.shop.operate`.

It runs in the environment `streaming`. Verbs: show, wait, snapshot [table…], recover, release table, empty, letters
[topic], replay topic [place…], discard topic [place…]. The last line of output is `RESULT {json}`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from quintet.call import tell
from quintet.catalogue import topic, topics
from quintet.catalogue.shop import SHOP, SHOP_CHANGES, customer_history, delta_copy
from quintet.cdc import connector, slots
from quintet.cdc.connect import Connect
from quintet.cdc.landing import land
from quintet.cdc.recovery import recover
from quintet.cdc.signals import snapshot_again, wait_until_captured
from quintet.contracts import read_contracts
from quintet.lake.tables import create_empty, delta_path
from quintet.settings import Lab, load_lab
from quintet.streams.deadletters import discard, letters, replay

__all__ = ["main"]


def _show(lab: Lab, _names: Sequence[str]) -> dict[str, Any]:
    state, slot = Connect.of(lab).state(connector.name_of(SHOP)), slots.slot_of(lab, SHOP)
    return {
        "connector": connector.name_of(SHOP),
        "state": state.connector if state else "absent",
        "tasks": list(state.tasks) if state else [],
        "cause": state.trace if state else "",
        **(slot.as_json() if slot else {"slot": "absent"}),
    }


def _snapshot(lab: Lab, names: Sequence[str]) -> dict[str, Any]:
    tables = list(names) or [table.name for table in SHOP.tables]
    return {"tables": tables, "request": snapshot_again(lab, SHOP, tables)}


def _recover(lab: Lab, _names: Sequence[str]) -> dict[str, Any]:
    done = recover(lab, SHOP, SHOP_CHANGES, read_contracts())
    return {"lsn": done.lsn, "gone": dict(done.gone), "seconds": round(done.seconds, 1)}


def _release(lab: Lab, names: Sequence[str]) -> dict[str, Any]:
    """Put aside what broke the contract of a table, and have the table read again."""
    (name,) = names
    table = SHOP.table(name)
    landed = land(lab, SHOP, SHOP_CHANGES, read_contracts(), release=[table.topic.name])
    request = snapshot_again(lab, SHOP, [name])
    return {"put_aside": dict(landed.dead_letters), "request": request}


def _empty(lab: Lab, _names: Sequence[str]) -> dict[str, Any]:
    """Empty the change log and what is made of it; everything lands again from the topics."""
    tables = (SHOP_CHANGES, *(delta_copy(table) for table in SHOP.tables), customer_history())
    for table in tables:
        shutil.rmtree(delta_path(lab, table), ignore_errors=True)
        create_empty(lab, table)
    return {"emptied": [table.full_name for table in tables]}


def _wait(lab: Lab, _names: Sequence[str]) -> dict[str, Any]:
    return {"seconds": round(wait_until_captured(lab, SHOP), 3)}


def _letters(lab: Lab, names: Sequence[str]) -> dict[str, Any]:
    chosen = [topic(name) for name in names] or topics(SHOP.project)
    return {"letters": [letter.as_json() for letter in letters(lab, chosen)]}


def _replay(lab: Lab, names: Sequence[str]) -> dict[str, Any]:
    name, *places = names
    return {"topic": name, "replayed": replay(lab, topic(name), places or None)}


def _discard(lab: Lab, names: Sequence[str]) -> dict[str, Any]:
    name, *places = names
    return {"topic": name, "discarded": discard(lab, topic(name), places or None)}


_VERBS = {
    "show": _show,
    "snapshot": _snapshot,
    "recover": _recover,
    "release": _release,
    "empty": _empty,
    "wait": _wait,
    "letters": _letters,
    "replay": _replay,
    "discard": _discard,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="quintet.lakehouse.shop.operate", description="Look after the capture.")
    parser.add_argument("verb", choices=_VERBS)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args(arguments)
    return tell(lambda: _VERBS[options.verb](load_lab(), options.names))


if __name__ == "__main__":
    sys.exit(main())
