"""Exit 0 when Trino at the URL given answers a real scan; its own state says `started` some seconds too early."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request

SCAN = b"select count(*) from tpch.tiny.nation"


def main(url: str) -> int:
    """Send the scan and follow its pages for 20 seconds at most."""
    request = urllib.request.Request(f"{url}/v1/statement", data=SCAN, headers={"X-Trino-User": "check"})  # noqa: S310
    end = time.monotonic() + 20
    try:
        while time.monotonic() < end:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                page = json.load(answer)
            if page.get("data") == [[25]]:
                return 0
            if "nextUri" not in page:
                return 1
            request = urllib.request.Request(page["nextUri"])  # noqa: S310
    except (urllib.error.URLError, OSError, ValueError):
        return 1
    return 1


sys.exit(main(sys.argv[1]))
