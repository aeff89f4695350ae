"""Questions to the lab's own doors by the standard library."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from quintet.urldoor import JSON, ask
from serving import JsonHandler, serving


class Echo(JsonHandler):
    """Tells what it was asked."""

    def _tell(self) -> None:
        told = {"method": self.command, "type": self.headers["Content-Type"], "body": self.given().decode()}
        self.say(404 if self.path == "/absent" else 200, told)

    do_GET = do_PUT = _tell


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a server on a machine whose other addresses are behind a proxy that is not there."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def test_an_answer_is_status_and_content_and_no_proxy_is_asked(door: str) -> None:
    status, content = ask(f"{door}/health", timeout=5)
    assert status == 200
    assert json.loads(content) == {"method": "GET", "type": None, "body": ""}


def test_a_body_goes_as_json_also_when_it_is_empty(door: str) -> None:
    _, content = ask(f"{door}/config", method="PUT", body=[], headers=JSON, timeout=5)
    assert json.loads(content) == {"method": "PUT", "type": "application/json", "body": "[]"}


def test_an_answer_that_is_an_error_is_raised_with_what_it_says(door: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(f"{door}/absent", timeout=5)
    with refused.value as answer:
        assert answer.code == 404
        assert json.loads(answer.read())["method"] == "GET"


def test_a_door_that_is_closed_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="refused"):
        ask("http://127.0.0.1:1/", timeout=5)
