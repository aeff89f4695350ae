"""The lab's time-series database over HTTP, as the tasks of the project and its proof use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import httpx

from quintet.errors import LabError
from quintet.httpdoor import NOT_READY, HttpDoor
from quintet.settings import Lab

__all__ = ["LabClient", "Refusals"]

#: Seconds for one answer; a compaction or a fingerprint of everything takes its time.
TIMEOUT = 600.0
ENDPOINT = "timeseries"

Refusals = Mapping[str, Any]


class LabClient(HttpDoor):
    """The database with one of the lab's tokens; every method raises ServiceDownError or LabError."""

    service = "the time-series database"
    remedy = "Run: quintet doctor; then: quintet logs timeseries"
    #: And of one whose quota is used up.
    not_ready = NOT_READY | {httpx.codes.TOO_MANY_REQUESTS}

    def __init__(self, lab: Lab, role: Literal["admin", "writer", "reader"]) -> None:
        headers = {"Authorization": f"Bearer {lab.secret(f'timeseries_{role}')}"}
        super().__init__(lab.endpoint(ENDPOINT).url, timeout=TIMEOUT, headers=headers)

    def write(self, body: bytes) -> Refusals:
        """Write line protocol; what was refused of it: {} or {"written", "refused", "errors": [{"line", "message"}]}.

        Raises:
            LabError: nothing was written.

        """
        answer = self._send("POST", "/write", content=body)
        if answer.status_code == httpx.codes.BAD_REQUEST and "written" in (told := _content(answer)):
            return told
        self._refuse(answer, "/write")
        return {}

    def query(self, query: str, at: int) -> list[dict[str, Any]]:
        """Series of an instant query at `at`, seconds since the epoch: [{"metric": labels, "value": [time, text]}]."""
        answer = self._send("POST", "/api/v1/query", data={"query": query, "time": str(at)})
        self._refuse(answer, query)
        found: list[dict[str, Any]] = _content(answer)["data"]["result"]
        return found

    def sql(self, statement: str) -> dict[str, Any]:
        """Answer of a SELECT: {"columns": names, "rows": lists of values}."""
        answer = self._send("POST", "/sql", data={"q": statement})
        self._refuse(answer, "/sql")
        found: dict[str, Any] = _content(answer)["data"]
        return found

    def admin(self, verb: str, **parameters: str) -> dict[str, Any]:
        """Answer of POST /admin/<verb>; empty where it has nothing to tell."""
        answer = self._send("POST", f"/admin/{verb}", params=parameters)
        self._refuse(answer, f"/admin/{verb}")
        return {} if answer.status_code == httpx.codes.NO_CONTENT else _content(answer)

    def text(self, path: str) -> str:
        """What a GET answers, as text."""
        answer = self._send("GET", path)
        self._refuse(answer, path)
        text: str = answer.text
        return text

    def trouble(self) -> str:
        """What keeps the database from going on; empty: nothing does."""
        try:
            answer = self._client.get("/ready")
        except httpx.HTTPError as error:
            raise self._down(str(error) or type(error).__name__) from error
        return "" if answer.is_success else _message(answer)

    def _said(self, answer: httpx.Response) -> str:
        return _message(answer)

    def _refuse(self, answer: httpx.Response, what: str) -> None:
        if not answer.is_error:
            return
        remedy = "Read: quintet logs timeseries"
        if answer.status_code in {401, 403}:
            remedy = "The token of the secrets file is not the service's: run make install"
        raise LabError(
            f"the time-series database refused {what}: {answer.status_code} {_message(answer)}", remedy=remedy
        )


def _content(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError as error:
        raise LabError(
            f"what answers at {answer.url} is not the time-series database",
            remedy="Does another program hold the port? Run: quintet doctor",
        ) from error
    return found if isinstance(found, dict) else {"data": found}


def _message(answer: httpx.Response) -> str:
    try:
        told = answer.json()
        return str(told.get("message") or told.get("error") or "")[:500]
    except (ValueError, AttributeError):
        return str(answer.text)[:200]
