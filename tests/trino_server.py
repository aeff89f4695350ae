"""A small server that speaks Trino's client protocol, one answer a statement, for tests of what asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from serving import JsonHandler, serving


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error: USER_ERROR, EXTERNAL, INTERNAL_ERROR; or a plain HTTP status."""

    message: str
    kind: str = "USER_ERROR"
    status: int = 200


Rows = list[list[Any]]


@dataclass
class TrinoServer:
    """`answer` gives the rows of a statement, or refuses it; `asked` are the statements."""

    port: int
    answer: Callable[[str], Rows | Refusal]
    asked: list[str] = field(default_factory=list)


@contextmanager
def trino_server(answer: Callable[[str], Rows | Refusal]) -> Iterator[TrinoServer]:
    """Serve on a free port of the loopback address until the block is left."""
    state = TrinoServer(port=0, answer=answer)

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            statement = self.given().decode()
            state.asked.append(statement)
            found = state.answer(statement)
            self.say(found.status if isinstance(found, Refusal) else 200, _content(found))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    with serving(server):
        yield state


def _content(found: Rows | Refusal) -> dict[str, Any]:
    frame = {"id": "20261121_000000_00001_test", "infoUri": "http://127.0.0.1/", "stats": {"state": "FINISHED"}}
    if isinstance(found, Refusal):
        error = {"message": found.message, "errorCode": 1, "errorName": "REFUSED", "errorType": found.kind}
        return {**frame, "error": {**error, "failureInfo": {}}}
    width = len(found[0]) if found else 1
    columns = [
        {
            "name": f"column_{place + 1}",
            "type": "unknown",
            "typeSignature": {"rawType": "unknown", "arguments": []},
        }
        for place in range(width)
    ]
    return {**frame, "columns": columns, "data": found}
