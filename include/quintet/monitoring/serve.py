"""The lab's own exporter, and the way of Alertmanager's notifications into the alert log.

Run: `python -m quintet.monitoring.serve HOST PORT`; the lab is that of this process.

| route | who | what |
|---|---|---|
| GET /metrics | anybody | figures that no other exporter tells |
| GET /health | anybody | `ok` |
| POST /alerts | the secret `monitoring_receiver` as bearer token | a notification of Alertmanager |
"""

from __future__ import annotations

import hmac
import json
import logging
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from quintet.errors import QuintetError
from quintet.monitoring.collect import collect, parts_of
from quintet.monitoring.figures import exposed
from quintet.monitoring.receiver import receive
from quintet.settings import Lab, load_lab

__all__ = ["SECRET", "server"]

SECRET = "monitoring_receiver"  # noqa: S105  # the name, not the value
#: Bytes of a notification that are read.
LONGEST = 1 << 20
#: Seconds for a client that says nothing.
PATIENCE = 30

_log = logging.getLogger(__name__)


def server(host: str, port: int, lab: Callable[[], Lab]) -> ThreadingHTTPServer:
    """A server that listens; `serve_forever` runs it. Raises OSError."""

    class Door(_Door):
        def lab(self) -> Lab:
            return lab()

    found = ThreadingHTTPServer((host, port), Door)
    found.daemon_threads = True
    return found


class _Door(BaseHTTPRequestHandler):
    timeout = PATIENCE
    server_version = "quintet"
    sys_version = ""

    def lab(self) -> Lab:
        raise NotImplementedError

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(HTTPStatus.OK, "ok\n")
        elif self.path == "/metrics":
            try:
                lab = self.lab()
                self._answer(HTTPStatus.OK, exposed(collect(lab, parts_of(lab))))
            except QuintetError as error:
                _log.warning("%s", error.message)
                self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error.message}\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "not here\n")

    def do_POST(self) -> None:
        # What is not read would be taken for the next request.
        self.close_connection = True
        if self.path != "/alerts":
            self._answer(HTTPStatus.NOT_FOUND, "not here\n")
            return
        try:
            lab = self.lab()
            if not self._may_enter(lab):
                self._answer(HTTPStatus.UNAUTHORIZED, "a token is needed\n")
                return
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 < length <= LONGEST:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LONGEST} bytes\n")
                return
            told = json.loads(self.rfile.read(length))
            written, closed = receive(lab, told)
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, f"{error}\n")
        except (OSError, QuintetError) as error:
            # Alertmanager tries again when it is told so.
            _log.warning("%s", error)
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "the alert log cannot be written\n")
        else:
            self._answer(HTTPStatus.OK, f"written {written}, closed {closed}\n")

    def log_message(self, format: str, *args: object) -> None:
        """Requests that are answered are not told."""

    def _may_enter(self, lab: Lab) -> bool:
        shown = (self.headers.get("Authorization") or "").encode()
        return hmac.compare_digest(shown, f"Bearer {lab.secret(SECRET)}".encode())

    def _answer(self, status: HTTPStatus, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    server(sys.argv[1], int(sys.argv[2]), load_lab).serve_forever()
