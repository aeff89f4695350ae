"""Care of a running store over HTTP, for schedulers: every route needs the scope `admin` and is a POST.

| route | parameters | what |
|---|---|---|
| /admin/retain | days (of the store's retention by default) | points older than that are out of sight at once; whole blocks of them are removed |
| /admin/tiers | | blocks older than the store's `warm_after` go to the warm folder, than `s3_after` to S3 |
| /admin/snapshot | name | the whole store at this moment as a folder beside it, its path in the answer |
| /admin/drop_snapshot | name | remove that folder |
| /admin/delete | match (a selector) | delete the points of these series |
| /admin/fingerprint | | series, points and a hash of everything |
| /admin/stats | | figures of the store |
"""  # noqa: E501 - a row of a table

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from quintet.errors import InputError
from quintet.timeseries.fingerprint import fingerprint
from quintet.timeseries.model import DAY, MAX_TIME, MIN_TIME
from quintet.timeseries.promql.parser import parse_selector
from quintet.timeseries.service import Service
from quintet.timeseries.store import Store

__all__ = ["admin_routes"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def admin_routes(service: Service) -> list[Route]:
    """The routes; none for a store that is not on this disk."""
    store = service.store
    if not isinstance(store, Store):
        return []
    care = _Care(store)

    def route(name: str, work: Callable[[dict[str, str]], dict[str, Any]]) -> Route:
        async def handler(request: Request) -> Response:
            # In threads for queries, as it reads or waits: writes go on meanwhile.
            return JSONResponse(await service.read(work, dict(request.query_params)))

        return service.route(f"/admin/{name}", handler, scope="admin", methods=("POST",))

    return [
        route("retain", care.retain),
        route("tiers", care.tiers),
        route("snapshot", care.snapshot),
        route("drop_snapshot", care.drop_snapshot),
        route("delete", care.delete),
        route("fingerprint", care.fingerprint),
        route("stats", care.stats),
    ]


class _Care:
    """Each method takes the request's parameters and gives its answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots = store.path.with_name(store.path.name + "-snapshots")

    def retain(self, given: dict[str, str]) -> dict[str, Any]:
        keep = self._store.options.retention
        if "days" in given:
            keep = round(_number(given["days"], "days") * DAY)
        if keep is None:
            return {"retention_days": None, "blocks": 0, "series": 0}
        now = time.time_ns()
        blocks = self._store.retain(now)
        # A block that is old only in part stays; its old points are hidden until a compaction leaves them out.
        oldest = self._store.stats().min_time
        cut = now - keep
        series = self._store.hide_before(cut) if oldest is not None and oldest < cut else 0
        return {"retention_days": keep / DAY, "blocks": blocks, "series": series}

    def tiers(self, _: dict[str, str]) -> dict[str, Any]:
        self._store.flush()
        moved = self._store.move_tiers(time.time_ns())
        return {"moved": moved, "blocks_by_tier": self._store.stats().blocks_by_tier}

    def snapshot(self, given: dict[str, str]) -> dict[str, Any]:
        target = self._named(given)
        before = self._store.stats().appended_points
        self._store.snapshot(target)
        stats = self._store.stats()
        # The same count before and after: what is in the snapshot is what the store holds.
        return {
            "path": str(target),
            "blocks": stats.blocks,
            "appended_before": before,
            "appended": stats.appended_points,
        }

    def drop_snapshot(self, given: dict[str, str]) -> dict[str, Any]:
        target = self._named(given)
        existed = target.is_dir()
        if existed:
            shutil.rmtree(target)
        return {"path": str(target), "removed": existed}

    def delete(self, given: dict[str, str]) -> dict[str, Any]:
        if not given.get("match"):
            raise InputError("the parameter 'match' is missing", remedy='Name series, for example {job="test"}')
        return {"series": self._store.delete(parse_selector(given["match"]), MIN_TIME, MAX_TIME)}

    def fingerprint(self, _: dict[str, str]) -> dict[str, Any]:
        found = asdict(fingerprint(self._store))
        return {**found, "appended": self._store.stats().appended_points}

    def stats(self, _: dict[str, str]) -> dict[str, Any]:
        return asdict(self._store.stats())

    def _named(self, given: dict[str, str]) -> Path:
        name = given.get("name", "")
        if not _NAME.fullmatch(name):
            raise InputError(f"the snapshot's name {name!r} is none", remedy="Use letters, digits, dots and dashes")
        return self._snapshots / name


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e6:
        raise InputError(f"the parameter {name!r} is {text!r}", remedy="Give a number above 0")
    return number
