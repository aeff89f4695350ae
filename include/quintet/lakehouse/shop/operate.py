"""What a person asks of the capture and of its dead letters: `python -m quintet.lakehouse.shop.operate`.

It runs in the environment `streaming`. Verbs: show, wait, snapshot [table…], recover, release table, empty, letters
[topic], replay topic [place…], discard topic [place…]. The last line of output is `RESULT {json}`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any

from quintet.catalogue.shop import SHOP, SHOP_CHANGES, customer_history, delta_copy
from quintet.cdc.landing import land
from quintet.cdc.operate import run, verbs_of
from quintet.cdc.recovery import recover
from quintet.cdc.signals import snapshot_again
from quintet.contracts import read_contracts
from quintet.lake.tables import create_empty, delta_path
from quintet.settings import Lab

__all__ = ["main"]


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


_VERBS = {**verbs_of(SHOP), "recover": _recover, "release": _release, "empty": _empty}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is the error's."""
    return run("quintet.lakehouse.shop.operate", _VERBS, arguments)


if __name__ == "__main__":
    sys.exit(main())
