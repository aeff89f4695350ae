"""Questions to the lab's own HTTP doors by the standard library alone, for environments that have no HTTP client."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

__all__ = ["JSON", "ask"]

JSON = {"Content-Type": "application/json"}

# The lab's own doors are never reached through a proxy.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(
    url: str, *, timeout: float, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and content of an answer.

    Args:
        url: an address from the lab file.
        timeout: seconds for the answer.
        method: of HTTP.
        body: what is sent, as a JSON value; None: nothing.
        headers: of the request.

    Raises:
        urllib.error.HTTPError: the answer is an error.
        OSError: there is no answer; urllib.error.URLError is one, too.

    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=dict(headers or {}), method=method)  # noqa: S310
    with _opener.open(request, timeout=timeout) as answer:
        return answer.status, answer.read()
