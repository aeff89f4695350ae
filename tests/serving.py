"""Servers of tests, each in a thread until its test is over."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer
from typing import Any

__all__ = ["JsonHandler", "serving"]


class JsonHandler(BaseHTTPRequestHandler):
    """One request to a server of a test; what was asked is kept by the server, there is no log."""

    def given(self) -> bytes:
        """What the request carries."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def say(self, status: int, content: Any) -> None:
        """Answer with a JSON value, or with bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Serve until the block is left, then close the server."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
