"""`python -m quintet.dashboards publish|check`, for the playbook: `RESULT {json}` with what was done or seen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from quintet.call import tell
from quintet.dashboards.check import check
from quintet.dashboards.publish import publish
from quintet.settings import Lab, load_lab

#: What can be asked for.
VERBS: Mapping[str, Callable[[Lab], Any]] = {"publish": publish, "check": check}

if __name__ == "__main__":
    verb = VERBS.get(sys.argv[1]) if len(sys.argv) == 2 else None
    if verb is None:
        sys.exit(f"usage: python -m quintet.dashboards {'|'.join(VERBS)}")
    chosen = verb
    sys.exit(tell(lambda: chosen(load_lab())))
