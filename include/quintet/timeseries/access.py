"""A store for the command, opened from its folder or reached through its service; both give the service's JSON."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from quintet.errors import InputError, LabError, QuintetError, ServiceDownError, SettingsError
from quintet.timeseries import sql
from quintet.timeseries.answerdata import downsampled_data, selected_data, table_data, touched_data
from quintet.timeseries.downsample import ROWS, Asked, fill_of
from quintet.timeseries.lineprotocol import LineParser, Precision
from quintet.timeseries.model import Options
from quintet.timeseries.promql.answers import instant_data, range_data
from quintet.timeseries.promql.evaluate import Engine
from quintet.timeseries.promql.limits import QueryLimits
from quintet.timeseries.promql.parser import parse_selector
from quintet.timeseries.s3settings import S3Settings
from quintet.timeseries.store import Store

__all__ = ["TOKEN_VARIABLE", "Access", "opened"]

TOKEN_VARIABLE = "QUINTET_TIMESERIES_TOKEN"  # noqa: S105 - the name of a variable
#: s
_TIMEOUT = 300


class Access(Protocol):
    """What the command asks; times in ns, answers as the `data` of the service."""

    def write(self, body: bytes, precision: Precision) -> dict[str, Any]:
        """Line protocol: `written` where it is known, `refused` lines and their `errors`."""

    def query(self, query: str, moment: int) -> dict[str, Any]:
        """An instant query."""

    def query_range(self, query: str, start: int, end: int, step: int) -> dict[str, Any]:
        """A range query."""

    def explain(self, query: str, start: int, end: int) -> list[dict[str, Any]]:
        """What a query would touch."""

    def sql(self, statement: str) -> dict[str, Any]:
        """Columns and rows."""

    def explain_sql(self, statement: str) -> dict[str, Any]:
        """What a statement would touch."""

    def downsample(self, selector: str, start: int, end: int, step: int, fill: str) -> dict[str, Any]:
        """Columns and rows of aggregates by bucket."""

    def flush(self) -> None:
        """Write what is in memory."""

    def compact(self) -> dict[str, Any]:
        """Merge blocks."""

    def roll_up(self) -> dict[str, Any]:
        """Bring the rollups up to date."""


@contextmanager
def opened(folder: Path | None, url: str | None, token: str) -> Iterator[Access]:
    """The store in `folder`, or the service at `url`.

    Raises:
        InputError: the folder is none; SettingsError: the S3 settings are wrong; StoreError: it cannot be opened.

    """
    if folder is None:
        yield Remote((url or "").rstrip("/"), token)
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder", remedy="Make it, or name the folder of a store")
    with Store.open(folder, Options(s3=S3Settings.from_environment())) as store:
        yield Local(store)


class Local:
    """A store that is open in this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._engine = Engine(store)

    def write(self, body: bytes, precision: Precision) -> dict[str, Any]:
        parsed = LineParser().parse(body, precision=precision)
        written = self._store.append(parsed.batch) if len(parsed.batch) else 0
        errors = [{"line": error.line, "message": error.reason} for error in parsed.errors]
        return {"written": written, "refused": len(errors), "errors": errors[:100]}

    def query(self, query: str, moment: int) -> dict[str, Any]:
        return instant_data(self._engine.instant(query, moment))

    def query_range(self, query: str, start: int, end: int, step: int) -> dict[str, Any]:
        return range_data(self._engine.range(query, start, end, step))

    def explain(self, query: str, start: int, end: int) -> list[dict[str, Any]]:
        return [touched_data(one) for one in self._engine.explain(query, start, end)]

    def sql(self, statement: str) -> dict[str, Any]:
        return table_data(sql.query(self._store, statement).table)

    def explain_sql(self, statement: str) -> dict[str, Any]:
        return selected_data(self._store, statement)

    def downsample(self, selector: str, start: int, end: int, step: int, fill: str) -> dict[str, Any]:
        asked = Asked(parse_selector(selector), start, end, step, fill_of(fill))
        return downsampled_data(self._store, asked, QueryLimits(), ROWS)

    def flush(self) -> None:
        self._store.flush()

    def compact(self) -> dict[str, Any]:
        return vars(self._store.compact())

    def roll_up(self) -> dict[str, Any]:
        return {"windows": self._store.roll_up()}


class Remote:
    """A store behind its service."""

    def __init__(self, url: str, token: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise SettingsError(f"address {url!r}", remedy="Write it like http://127.0.0.1:8427")
        self._url = url
        self._token = token

    def write(self, body: bytes, precision: Precision) -> dict[str, Any]:
        try:
            self._ask(f"/api/v2/write?precision={precision}", body)
        except _RefusedError as error:
            if "errors" in error.body:
                return error.body
            raise
        return {}

    def query(self, query: str, moment: int) -> dict[str, Any]:
        found: dict[str, Any] = self._data("/api/v1/query", query=query, time=moment / 1e9)
        return found

    def query_range(self, query: str, start: int, end: int, step: int) -> dict[str, Any]:
        found: dict[str, Any] = self._data(
            "/api/v1/query_range", query=query, start=start / 1e9, end=end / 1e9, step=step / 1e9
        )
        return found

    def explain(self, query: str, start: int, end: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._data("/api/v1/query_explain", query=query, start=start / 1e9, end=end / 1e9)
        return found

    def sql(self, statement: str) -> dict[str, Any]:
        found: dict[str, Any] = self._data("/sql", q=statement)
        return found

    def explain_sql(self, statement: str) -> dict[str, Any]:
        found: dict[str, Any] = self._data("/sql", q=statement, explain=1)
        return found

    def downsample(self, selector: str, start: int, end: int, step: int, fill: str) -> dict[str, Any]:
        asked = {"match[]": selector, "start": start / 1e9, "end": end / 1e9, "step": step / 1e9, "fill": fill}
        found: dict[str, Any] = self._data("/api/v1/downsample", **asked)
        return found

    def flush(self) -> None:
        self._ask("/admin/flush", b"")

    def compact(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._ask("/admin/compact", b""))
        return found

    def roll_up(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._ask("/admin/roll_up", b""))
        return found

    def _data(self, path: str, **parameters: Any) -> Any:
        return json.loads(self._ask(path, urlencode(parameters).encode()))["data"]

    def _ask(self, path: str, body: bytes) -> bytes:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        request = urllib.request.Request(self._url + path, body, headers)  # noqa: S310 - the scheme is checked
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            raise _refusal(error.code, error.read()) from error
        except urllib.error.URLError as error:
            raise ServiceDownError(f"{self._url} does not answer: {error.reason}", remedy="Start it: serve") from error


class _RefusedError(InputError):
    """The service refused a request; `body` is its answer."""

    body: dict[str, Any]


def _refusal(status: int, content: bytes) -> QuintetError:
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    text = body.get("error") or body.get("message") or f"status {status}"
    if status in {401, 403}:
        return SettingsError(str(text), remedy=f"Set {TOKEN_VARIABLE}")
    if status >= 500:
        return LabError(str(text))
    error = _RefusedError(str(text))
    error.body = body
    return error
