"""Exit 0 when Trino at the URL given answers a question as it should; else say why on stderr.

Arguments: URL, then optionally a query and the JSON value that its only row and column must have. Without them a real
scan is asked for: the server's own state says `started` some seconds before it can do one. A worker takes no queries:
with `--worker` its state is asked for.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

#: Seconds for the whole question.
LIMIT = 20


def main(url: str, query: str = "select count(*) from tpch.tiny.nation", wanted: str = "25") -> int:
    """Compare the answer with the wanted one."""
    try:
        if query == "--worker":
            return worker(url)
        rows = answer(url, query)
    except (urllib.error.URLError, OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    if rows != [[json.loads(wanted)]]:
        sys.stderr.write(f"{query} gave {rows}, not {wanted}\n")
        return 1
    return 0


def worker(url: str) -> int:
    """Ask a worker whether it has started. Raises OSError and ValueError."""
    with urllib.request.urlopen(f"{url}/v1/info", timeout=LIMIT) as reply:  # noqa: S310 - the lab's own URL
        starting = json.load(reply)["starting"]
    if starting:
        sys.stderr.write(f"{url} is starting\n")
    return int(starting)


def answer(url: str, query: str) -> list[Any]:
    """Send the query and follow its pages to the last, which ends it on the server. Raises ValueError and OSError."""
    headers = {"X-Trino-User": "check"}
    request = urllib.request.Request(f"{url}/v1/statement", data=query.encode(), headers=headers)  # noqa: S310 - the lab's own URL
    end = time.monotonic() + LIMIT
    rows: list[Any] = []
    while time.monotonic() < end:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - the lab's own URL
            page = json.load(reply)
        if "error" in page:
            raise ValueError(page["error"].get("message", "the query failed"))
        rows += page.get("data", [])
        if "nextUri" not in page:
            return rows
        request = urllib.request.Request(page["nextUri"])  # noqa: S310 - the lab's own URL
    raise ValueError(f"no answer within {LIMIT} s")


sys.exit(main(*sys.argv[1:]))
