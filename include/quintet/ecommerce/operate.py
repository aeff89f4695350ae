"""What a person asks of the capture of the price list, and of dead letters: `python -m quintet.ecommerce.operate`.

It runs in the environment `streaming`. Verbs: show, wait, snapshot [table], recover, letters [topic], replay topic
[place…], discard topic [place…]. The last line of output is `RESULT {json}`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from quintet.catalogue.ecommerce import PRICE_LIST
from quintet.cdc.operate import run, verbs_of
from quintet.cdc.signals import wait_until_captured
from quintet.ecommerce import capture
from quintet.settings import Lab

__all__ = ["main"]

#: Seconds for all versions to be read anew.
READ = 1800.0


def _recover(lab: Lab, _names: Sequence[str]) -> dict[str, Any]:
    begun = time.monotonic()
    capture.begin_anew(lab)
    wait_until_captured(lab, PRICE_LIST, seconds=READ)
    # From a list that is only added to nothing has gone.
    return {"gone": {}, "seconds": round(time.monotonic() - begun, 1)}


_VERBS = {**verbs_of(PRICE_LIST), "recover": _recover}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is the error's."""
    return run("quintet.ecommerce.operate", _VERBS, arguments)


if __name__ == "__main__":
    sys.exit(main())
