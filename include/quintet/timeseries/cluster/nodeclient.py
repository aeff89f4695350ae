"""A node as seen from outside: questions, its state, and the snapshot of a shard."""

from __future__ import annotations

import shutil
import tarfile
import threading
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import httpx

from quintet.errors import InputError, ServiceDownError
from quintet.timeseries.cluster.question import Answer, Question
from quintet.timeseries.errors import CorruptionError
from quintet.timeseries.store import Store

__all__ = ["NodeClient", "NodeClients", "fetch_snapshot"]

#: Seconds to be let in; an answer may take longer than the question lets the node wait.
_CONNECT, _ANSWER = 2.0, 60.0
_PIECE = 1024 * 1024


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


class NodeClient:
    """Talks to one node; safe for many threads."""

    def __init__(self, address: str, token: str = "") -> None:
        self.address = address
        # Nodes are reached directly: a proxy for the world outside has no way to them.
        self._client = httpx.Client(
            base_url=address, headers=_headers(token), timeout=httpx.Timeout(_ANSWER, connect=_CONNECT), trust_env=False
        )

    def ask(self, question: Question) -> Answer:
        """The answer to a question.

        Raises:
            InputError: the question cannot be answered by any node.
            ServiceDownError: the node does not answer, or not as it should.

        """
        return Answer.from_bytes(self._send("POST", "/cluster/ask", question.to_bytes()))

    def status(self) -> dict[str, Any]:
        """State of the node: name, version, shards as in `ShardState`. Raises ServiceDownError."""
        found: dict[str, Any] = httpx.Response(200, content=self._send("GET", "/cluster/status")).json()
        return found

    def _send(self, method: str, path: str, body: bytes = b"") -> bytes:
        try:
            answer = self._client.request(method, path, content=body)
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: the client was closed meanwhile
            raise ServiceDownError(f"node at {self.address}: {error or type(error).__name__}") from error
        if answer.status_code == 400:
            raise InputError(_message(answer))
        if answer.status_code != 200:
            raise ServiceDownError(f"node at {self.address} answered {answer.status_code}: {_message(answer)}")
        return bytes(answer.content)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _message(answer: httpx.Response) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(answer.json()["message"])
    return str(answer.text[:200])


class NodeClients:
    """One client for each address, made when it is first asked for."""

    def __init__(self, token: str = "") -> None:
        self._token = token
        self._lock = threading.Lock()
        self._clients: dict[str, NodeClient] = {}

    def at(self, address: str) -> NodeClient:
        """The client of an address."""
        with self._lock:
            found = self._clients.get(address)
            if found is None:
                found = self._clients[address] = NodeClient(address, self._token)
            return found

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients = {}


def fetch_snapshot(shard: int, addresses: tuple[str, ...], target: Path, *, token: str = "") -> bool:
    """Fetch a shard from the first node that gives it, check every byte, put it at `target`; whether it is there."""
    archive = target.with_name(f"{target.name}.tar")
    unpacked = target.with_name(f"{target.name}.unpacked")
    for address in addresses:
        try:
            _download(f"{address}/cluster/snapshot/{shard}", archive, token)
            _unpack(archive, unpacked)
            Store.restore(unpacked, target)
            return True
        except (httpx.HTTPError, tarfile.TarError, CorruptionError):
            continue  # the next one has the same points
        finally:
            archive.unlink(missing_ok=True)
            shutil.rmtree(unpacked, ignore_errors=True)
    return False


def _download(url: str, path: Path, token: str) -> None:
    with (
        httpx.stream(
            "GET", url, headers=_headers(token), timeout=httpx.Timeout(_ANSWER, connect=_CONNECT), trust_env=False
        ) as answer,
        path.open("wb") as file,
    ):
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            file.write(piece)


def _unpack(archive: Path, folder: Path) -> None:
    """Plain files below a folder, whatever else an archive names; `extractall` has filters from 3.11.4 on only."""
    with tarfile.open(archive) as file:
        for member in file:
            path = PurePosixPath(member.name)
            content = file.extractfile(member) if member.isreg() else None
            if content is None or path.is_absolute() or ".." in path.parts:
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as copy:
                shutil.copyfileobj(content, copy, _PIECE)
