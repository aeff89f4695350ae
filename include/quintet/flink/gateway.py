"""Flink's SQL gateway: a session, statements one by one, their rows and the job that one of them starts.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.1/docs/dev/table/sql-gateway/rest/
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from quintet.flink.causes import is_about_statement, root_cause
from quintet.flink.errors import FlinkError, StatementError
from quintet.httpdoor import HttpDoor
from quintet.settings import Lab

__all__ = ["Result", "SqlSession"]

#: Seconds for one answer, and for a statement to end; a session cluster plans a large statement set in a few.
TIMEOUT, LIMIT = 60.0, 180.0
PAUSE = 0.2
#: Characters of a statement that a message shows.
_SHOWN = 300


@dataclass(frozen=True)
class Result:
    """Rows of a statement, each a tuple of values, and the id of the job that it started, if it did."""

    rows: tuple[tuple[Any, ...], ...]
    job_id: str | None


class SqlSession(HttpDoor):
    """One session, closed at the end of its block.

    Args:
        lab: the lab whose gateway is meant.
        properties: options of the session, as `SET` gives them.
        limit: seconds for one statement.

    """

    service = "Flink's SQL gateway"
    remedy = "Run: quintet doctor; then: quintet logs flink-sql-gateway"

    def __init__(self, lab: Lab, properties: Mapping[str, str], *, limit: float = LIMIT) -> None:
        super().__init__(lab.endpoint("flink_sql_gateway").url, timeout=TIMEOUT)
        self._properties = dict(properties)
        self._limit = limit
        self._path = ""

    def __enter__(self) -> Self:
        try:
            opened = self._ask("POST", "/v1/sessions", "", json={"properties": self._properties})
        except BaseException:
            self.close()
            raise
        self._path = f"/v1/sessions/{opened['sessionHandle']}"
        return self

    def __exit__(self, *_: object) -> None:
        # A session that cannot be closed ends by itself when it was idle for a while.
        with contextlib.suppress(httpx.HTTPError):
            self._client.delete(self._path)
        self.close()

    def run(self, statement: str) -> Result:
        """Run one statement to its end.

        Raises:
            ServiceDownError: the gateway does not answer.
            StatementError: the statement is wrong.
            FlinkError: it failed otherwise, or took too long.

        """
        handle = self._ask("POST", f"{self._path}/statements", statement, json={"statement": statement})
        page_path = f"{self._path}/operations/{handle['operationHandle']}/result/0?rowFormat=JSON"
        rows: list[tuple[Any, ...]] = []
        job_id: str | None = None
        end = time.monotonic() + self._limit
        while time.monotonic() < end:
            page = self._ask("GET", page_path, statement)
            rows += [tuple(row["fields"]) for row in (page.get("results") or {}).get("data", [])]
            job_id = page.get("jobID") or job_id
            if page["resultType"] == "EOS":
                return Result(tuple(rows), job_id)
            if page["resultType"] == "NOT_READY":
                time.sleep(PAUSE)
            page_path = page["nextResultUri"]
        raise FlinkError(
            f"the SQL gateway gave no answer within {self._limit:g} s to: {statement[:_SHOWN]}",
            remedy="Read: quintet logs flink-sql-gateway",
        )

    def _ask(self, method: str, path: str, statement: str, **options: Any) -> Any:
        answer = self._send(method, path, **options)
        if answer.is_error:
            raise _refusal(answer, statement)
        return answer.json()


def _refusal(answer: httpx.Response, statement: str) -> FlinkError | StatementError:
    try:
        told = [str(entry) for entry in answer.json()["errors"]]
    except (ValueError, KeyError, TypeError):
        told = [answer.text]
    trace = max(told, key=len, default="")
    message = root_cause(trace) or f"status {answer.status_code}"
    shown = f"\nStatement: {statement[:_SHOWN]}" if statement else ""
    if is_about_statement(trace):
        return StatementError(f"Flink refused a statement: {message}{shown}", remedy="Mend the job's SQL")
    return FlinkError(f"a statement failed in Flink: {message}{shown}", remedy="Read: quintet logs flink-sql-gateway")
