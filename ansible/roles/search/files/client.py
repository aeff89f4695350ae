"""Provision the users of search and prove that it can be used.

Usage: client.py ready <url> <ca> <folder>
       client.py users <url> <ca> <folder> <secrets file> <clients as JSON>
       client.py check <url> <ca> <secrets file>

`folder` has the certificate that administers (`admin.pem`, `admin.key`). `ready` exits 0 when the cluster answers and
its users may be asked. `users` makes users, rights and mappings as they are given, `admin` with all rights; prints
`changed` or `same`. `check` indexes as writer and searches as reader, by words and by vectors, and tries what must be
refused: a wrong password, a write by the reader, plain text. It asks OpenSearch and Elasticsearch alike.
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

#: Seconds for one answer; the first index of a node takes its time on a busy machine.
ANSWER = 60
SECURITY = "/_plugins/_security/api"


class Refused(ValueError):
    """The server answered with an error."""

    def __init__(self, method: str, path: str, status: int, said: str) -> None:
        super().__init__(f"{method} {path}: {status} {said}")
        self.status = status


class Door:
    """The server as one user, or as who shows a certificate."""

    def __init__(self, url: str, ca: str, *, user: str = "", password: str = "", folder: str = "") -> None:
        context = ssl.create_default_context(cafile=ca)
        if folder:
            context.load_cert_chain(Path(folder) / "admin.pem", Path(folder) / "admin.key")
        # The lab's own door is never reached through a proxy.
        direct, secure = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        self._opener = urllib.request.build_opener(direct, secure)
        self._url = url
        self._login = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Answer as JSON. Raises Refused and OSError."""
        data = None
        if isinstance(body, list):
            data = "".join(f"{json.dumps(line)}\n" for line in body).encode()
        elif body is not None:
            data = json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, method=method)  # noqa: S310 - the lab's own door
        request.add_header("Content-Type", "application/x-ndjson" if isinstance(body, list) else "application/json")
        if self._login:
            request.add_header("Authorization", f"Basic {self._login}")
        try:
            with self._opener.open(request, timeout=ANSWER) as reply:
                return json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Refused(method, path, error.code, error.read().decode(errors="replace")[-500:]) from error

    def refused(self, method: str, path: str, body: Any, status: int, who: str) -> None:
        """Raise ValueError when the question is answered."""
        try:
            self.ask(method, path, body)
        except Refused as error:
            if error.status == status:
                return
            raise
        raise ValueError(f"{who} is let in: {method} {path}")


def main(verb: str, url: str, ca: str, *words: str) -> int:
    """Do what the verb says; the exit code says whether it is as it should be."""
    try:
        if verb == "ready":
            Door(url, ca, folder=words[0]).ask("GET", "/_cluster/health?wait_for_status=yellow&timeout=5s")
        elif verb == "users":
            folder, secrets_file, clients = words
            changed = provide(Door(url, ca, folder=folder), url, ca, secrets(secrets_file), json.loads(clients))
            sys.stdout.write("changed\n" if changed else "same\n")
        else:
            check(url, ca, secrets(words[0]))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    return 0


def secrets(path: str) -> dict[str, str]:
    """Passwords by user. The file is flat: a line `name: value` for each."""
    pairs = (line.split(": ", 1) for line in Path(path).read_text(encoding="utf-8").splitlines() if ": " in line)
    return {key.removeprefix("search_"): value.strip("'\"") for key, value in pairs if key.startswith("search_")}


def provide(door: Door, url: str, ca: str, passwords: dict[str, str], clients: dict[str, Any]) -> bool:
    """Make users and rights as they are wanted; tells whether they were otherwise."""
    changed = [give(door, "/rolesmapping/all_access", {"users": ["admin"]})]
    for user, rights in clients.items():
        wanted = {
            "cluster_permissions": rights["cluster"],
            "index_permissions": [
                {"index_patterns": [pattern], "allowed_actions": actions}
                for pattern, actions in rights["indices"].items()
            ],
        }
        changed.append(give(door, f"/roles/quintet_{user}", wanted))
        changed.append(give(door, f"/rolesmapping/quintet_{user}", {"users": [user]}))
    for user in ("admin", *clients):
        if not enters(url, ca, user, passwords[user]):
            door.ask("PUT", f"{SECURITY}/internalusers/{user}", {"password": passwords[user]})
            changed.append(True)
    return any(changed)


def give(door: Door, path: str, wanted: dict[str, Any]) -> bool:
    """Make one role or mapping as it is wanted; tells whether it was otherwise."""
    try:
        (found,) = door.ask("GET", SECURITY + path).values()
    except Refused as error:
        if error.status != 404:
            raise
        found = {}
    if holds(found, wanted):
        return False
    door.ask("PUT", SECURITY + path, wanted)
    return True


def holds(found: Any, wanted: Any) -> bool:
    """Whether what is wanted is there; the server adds fields of its own, and sorts lists of words."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(holds(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        if all(isinstance(one, str) for one in wanted):
            return sorted(found) == sorted(wanted)
        return len(found) == len(wanted) and all(map(holds, found, wanted))
    return bool(found == wanted)


def enters(url: str, ca: str, user: str, password: str) -> bool:
    """Whether a user is let in with a password."""
    try:
        Door(url, ca, user=user, password=password).ask("GET", "/_plugins/_security/authinfo")
    except Refused as error:
        if error.status != 401:
            raise
        return False
    return True


def check(url: str, ca: str, passwords: dict[str, str]) -> None:
    """Index, search, be refused. Raises ValueError and OSError."""
    writer = Door(url, ca, user="writer", password=passwords["writer"])
    reader = Door(url, ca, user="reader", password=passwords["reader"])
    stranger = Door(url, ca, user="reader", password="wrong")  # noqa: S106 - it is meant to be
    is_open = reader.ask("GET", "/")["version"].get("distribution") == "opensearch"
    index = f"/quintet-check-{uuid.uuid4().hex[:8]}"
    writer.ask("PUT", index, open_index() if is_open else elastic_index())
    try:
        lines: list[dict[str, Any]] = []
        for number, (text, vector) in enumerate((("a red shoe", [1.0, 0.1, 0.0]), ("a blue hat", [0.0, 0.1, 1.0]))):
            lines += [{"index": {"_id": str(number)}}, {"text": text, "vector": vector}]
        if writer.ask("POST", f"{index}/_bulk?refresh=true", lines)["errors"]:
            raise ValueError("documents were refused")
        one(reader, index, {"query": {"match": {"text": "shoes"}}}, "0")
        near = [0.1, 0.0, 0.9]
        one(
            reader,
            index,
            {"query": {"knn": {"vector": {"vector": near, "k": 1}}}}
            if is_open
            else {"knn": {"field": "vector", "query_vector": near, "k": 1, "num_candidates": 10}},
            "1",
        )
        stranger.refused("GET", f"{index}/_search", None, 401, "a wrong password")
        reader.refused("PUT", f"{index}/_doc/2", {"text": "a green coat"}, 403, "the reader who writes")
        reader.refused("DELETE", index, None, 403, "the reader who removes an index")
        plain(url)
    finally:
        writer.ask("DELETE", index)


def open_index() -> dict[str, Any]:
    """An index of OpenSearch with words and vectors."""
    method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
    vector = {"type": "knn_vector", "dimension": 3, "method": method}
    fields = {"text": {"type": "text", "analyzer": "english"}, "vector": vector}
    return {"settings": {"index": {"knn": True}}, "mappings": {"properties": fields}}


def elastic_index() -> dict[str, Any]:
    """The same of Elasticsearch."""
    vector = {"type": "dense_vector", "dims": 3, "index": True, "similarity": "cosine"}
    return {"mappings": {"properties": {"text": {"type": "text", "analyzer": "english"}, "vector": vector}}}


def one(door: Door, index: str, query: dict[str, Any], wanted: str) -> None:
    """Raise ValueError unless a query's first answer is the wanted document."""
    hits = door.ask("POST", f"{index}/_search", {**query, "size": 1})["hits"]["hits"]
    if [hit["_id"] for hit in hits] != [wanted]:
        raise ValueError(f"{json.dumps(query)} found {hits}, not document {wanted}")


def plain(url: str) -> None:
    """Raise ValueError when a question without TLS is answered."""
    door = urllib.parse.urlsplit(url)
    with socket.create_connection((door.hostname, door.port), timeout=ANSWER) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: search\r\nConnection: close\r\n\r\n")
        try:
            said = connection.recv(64)
        except ConnectionError:
            return
    if said.startswith(b"HTTP/1.1 2") or said.startswith(b"HTTP/1.1 4"):
        raise ValueError(f"plain text is answered: {said!r}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
