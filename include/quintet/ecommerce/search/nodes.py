"""Client of OpenSearch: the nodes of a cluster, of which one that does not answer is passed over for a while."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from quintet.ecommerce.search.errors import NoIndexError, SearchDownError, SearchRefusedError

__all__ = ["AsyncNodes", "Nodes", "SearchDoor", "lines"]

#: Seconds for which a node that did not answer is asked after the others.
_AVOIDED = 5.0
#: Answers that another node may not give: too busy, away, too slow.
_UNWELL = frozenset({429, 502, 503, 504})
_JSON, _LINES = {"Content-Type": "application/json"}, {"Content-Type": "application/x-ndjson"}

#: A JSON value, or lines that are JSON already.
Body = Mapping[str, Any] | bytes | None


@dataclass(frozen=True)
class SearchDoor:
    """Where OpenSearch is and who enters.

    urls: of the nodes; user: "" enters without one; ca_file: certificates to trust, None: those of the machine.
    """

    urls: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None

    def options(self, url: str, timeout: float) -> dict[str, Any]:
        """Options of a client of httpx for one node."""
        trusted: ssl.SSLContext | bool = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True
        return {
            "base_url": url,
            "timeout": timeout,
            "verify": trusted,
            "auth": (self.user, self.password) if self.user else None,
            # The lab's own doors are never reached through a proxy.
            "trust_env": False,
        }


class _Order:
    """In which order nodes are asked: in turns, those that failed lately last."""

    def __init__(self, count: int) -> None:
        self._avoided = [0.0] * count
        self._turn = 0

    def __iter__(self) -> Iterator[int]:
        count = len(self._avoided)
        self._turn = (self._turn + 1) % count
        now = time.monotonic()
        turns = [(self._turn + step) % count for step in range(count)]
        return iter(sorted(turns, key=lambda place: self._avoided[place] > now))

    def avoid(self, place: int) -> None:
        self._avoided[place] = time.monotonic() + _AVOIDED


class Nodes:
    """Client for programs that wait for their answer."""

    def __init__(self, door: SearchDoor, *, timeout: float = 60) -> None:
        self._door = door
        self._clients = [httpx.Client(**door.options(url, timeout)) for url in door.urls]
        self._order = _Order(len(self._clients))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()

    def ask(self, method: str, path: str, body: Body = None) -> Any:
        """Answer as a JSON value.

        Raises:
            SearchDownError: no node answers.
            NoIndexError: there is no such index.
            SearchRefusedError: the answer is another error; its status and reason.

        """
        why = ""
        for place in self._order:
            try:
                answer = self._clients[place].request(method, path, **_sent(body))
            except httpx.TransportError as error:
                why = str(error) or type(error).__name__
                self._order.avoid(place)
                continue
            if answer.status_code in _UNWELL:
                why = f"status {answer.status_code}"
                self._order.avoid(place)
                continue
            return _read(answer, f"{method} {path}")
        raise _down(self._door, why)


class AsyncNodes:
    """Client for the service."""

    def __init__(self, door: SearchDoor, *, timeout: float = 5) -> None:
        self._door = door
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60)
        self._clients = [httpx.AsyncClient(**door.options(url, timeout), limits=limits) for url in door.urls]
        self._order = _Order(len(self._clients))

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            await client.aclose()

    async def ask(self, method: str, path: str, body: Body = None) -> Any:
        """Answer as a JSON value. Raises as `Nodes.ask`."""
        why = ""
        for place in self._order:
            try:
                answer = await self._clients[place].request(method, path, **_sent(body))
            except httpx.TransportError as error:
                why = str(error) or type(error).__name__
                self._order.avoid(place)
                continue
            if answer.status_code in _UNWELL:
                why = f"status {answer.status_code}"
                self._order.avoid(place)
                continue
            return _read(answer, f"{method} {path}")
        raise _down(self._door, why)


def lines(values: Iterable[Mapping[str, Any]]) -> bytes:
    """Body of a bulk request: a JSON value a line."""
    return b"".join(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for value in values)


def _sent(body: Body) -> dict[str, Any]:
    if body is None:
        return {}
    if isinstance(body, bytes):
        return {"content": body, "headers": _LINES}
    return {"content": json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(), "headers": _JSON}


def _read(answer: httpx.Response, what: str) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    try:
        reason = answer.json()["error"]
        cause = reason["root_cause"][0] if isinstance(reason, dict) and reason.get("root_cause") else {"reason": reason}
        kind, told = cause.get("type"), cause["reason"]
    except (ValueError, KeyError, TypeError, IndexError):
        kind, told = None, answer.text[:300]
    if kind == "index_not_found_exception":
        raise NoIndexError(what)
    status = answer.status_code
    raise SearchRefusedError(f"OpenSearch refuses {what}: {told} (status {status})", status=status)


def _down(door: SearchDoor, why: str) -> SearchDownError:
    where = ", ".join(door.urls)
    return SearchDownError(f"OpenSearch does not answer at {where} ({why})", remedy="Run: quintet doctor")
