"""A node over HTTP.

| route | scope | what |
|---|---|---|
| GET /health | none | the process answers |
| GET /cluster/status | read | shards, how fresh they are, what keeps them from going on |
| POST /cluster/ask | read, admin where it changes files | a question (`question`) and its answer |
| GET /cluster/snapshot/{shard} | admin | a snapshot of the shard's store as a tar archive |
"""

from __future__ import annotations

import logging
import os
import tarfile
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from quintet.errors import InputError, QuintetError
from quintet.timeseries.bodies import BodyError, read_body
from quintet.timeseries.cluster.answering import answer
from quintet.timeseries.cluster.node import Node
from quintet.timeseries.cluster.question import Question
from quintet.timeseries.service import audit
from quintet.webservice.tokens import AccessError, Tokens

__all__ = ["create_node_app"]

_LOG = logging.getLogger(__name__)

_QUESTION_BYTES = 4 * 1024 * 1024
_PIECE = 1024 * 1024
_CARE = frozenset({"flush", "compact", "roll_up", "retain", "move_tiers"})


def create_node_app(node: Node, tokens: Tokens, *, scratch: Path) -> Starlette:
    """The application. scratch: folder of the node's file system, where snapshots are put together."""

    async def health(_: Request) -> Response:
        return JSONResponse({"name": node.name, "status": "pass"})

    async def status(request: Request) -> Response:
        tokens.check(request.headers.get("authorization"), "read")
        shards = [asdict(one) for one in node.states()]
        return JSONResponse({"name": node.name, "version": node.version, "shards": shards})

    async def ask(request: Request) -> Response:
        body = await read_body(request, _QUESTION_BYTES)
        try:
            question = Question.from_bytes(body)
        except (ValueError, KeyError, TypeError) as error:
            raise BodyError(400, f"the body is no question: {error}") from error
        tokens.check(request.headers.get("authorization"), "admin" if question.kind in _CARE else "read")
        found = await run_in_threadpool(answer, node, question)
        return Response(await run_in_threadpool(found.to_bytes), media_type="application/octet-stream")

    async def snapshot(request: Request) -> Response:
        tokens.check(request.headers.get("authorization"), "admin")
        shard = int(request.path_params["shard"])
        archive = await run_in_threadpool(_archive, node, shard, scratch)
        if archive is None:
            return JSONResponse({"message": f"shard {shard} is not served here"}, 404)
        return StreamingResponse(_pieces(archive), media_type="application/x-tar")

    return Starlette(
        routes=[
            _route("/health", health),
            _route("/cluster/status", status),
            _route("/cluster/ask", ask, "POST"),
            _route("/cluster/snapshot/{shard:int}", snapshot),
        ]
    )


def _route(path: str, handler: Callable[[Request], Awaitable[Response]], method: str = "GET") -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except (AccessError, BodyError) as error:
            if isinstance(error, AccessError):
                audit(request, error)
            return JSONResponse({"message": str(error)}, error.status)
        except InputError as error:
            return JSONResponse({"message": error.message}, 400)
        except (QuintetError, OSError) as error:
            _LOG.warning("%s: %s", path, error)
            return JSONResponse({"message": str(error)}, 503)

    return Route(path, endpoint, methods=[method])


def _archive(node: Node, shard: int, scratch: Path) -> int | None:
    """Descriptor of a tar archive that is in no folder any more; None: the shard is not served here."""
    with tempfile.TemporaryDirectory(dir=scratch, prefix="snapshot-") as folder:
        target = Path(folder) / "store"
        if not node.snapshot(shard, target):
            return None
        path = Path(folder) / "store.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(target, arcname=".")
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _pieces(descriptor: int) -> Iterator[bytes]:
    with open(descriptor, "rb") as file:
        while piece := file.read(_PIECE):
            yield piece
