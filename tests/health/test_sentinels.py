"""What `quintet doctor` says of Redis on several nodes; tests/ansible/test_redis.py has it ask real ones."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from labs import lab_below
from quintet.errors import QuintetError
from quintet.health.sentinels import ask_sentinels
from quintet.settings import Lab

QUORUM = "+OK 3 usable Sentinels. Quorum and failover authorization can be reached"
NO_QUORUM = "-NOQUORUM 1 usable Sentinels."
WHOLE = "role:master\r\nconnected_slaves:1\r\nslave0:ip=10.0.0.2,port=16379,state=online,offset=1,lag=0"

Serve = Callable[[str], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that lets the user in and gives one answer; its port."""
    with ExitStack() as stack:

        def started(answer: str) -> int:
            class Handler(socketserver.StreamRequestHandler):
                def handle(self) -> None:
                    known = self.rfile.readline() == b"AUTH quintet y\r\n"
                    self.rfile.readline()
                    self.wfile.write(f"+OK\r\n{answer}\r\n".encode() if known else b"-WRONGPASS\r\n")

            server = stack.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler))
            threading.Thread(target=server.serve_forever, args=(0.05,)).start()
            stack.callback(server.shutdown)
            return int(server.server_address[1])

        yield started


def bulk(text: str) -> str:
    return f"${len(text)}\r\n{text}"


def lab_with(home: Path, redis: int, sentinels: list[int]) -> Lab:
    places = [f"127.0.0.1:{port}" for port in sentinels]
    options = {"redis": {"user": "quintet", "admin": "admin", "servers": 2, "sentinels": places}}
    return lab_below(home, more_doors={"redis": redis}, options=options, secrets={"redis_quintet": "y"})


def test_replica_and_sentinels_are_counted(tmp_path: Path, serve: Serve) -> None:
    lab = lab_with(tmp_path, serve(bulk(WHOLE)), [serve(QUORUM) for _ in range(3)])
    assert ask_sentinels(lab, 5) == "replicas: 1, sentinels: 3 of 3"


def test_one_sentinel_may_be_away(tmp_path: Path, serve: Serve) -> None:
    lab = lab_with(tmp_path, serve(bulk(WHOLE)), [serve(QUORUM), serve(QUORUM), 1])
    assert ask_sentinels(lab, 5) == "replicas: 1, sentinels: 2 of 3"


@pytest.mark.parametrize("online", ["role:master\r\nconnected_slaves:0", WHOLE.replace("online", "wait_bgsave")])
def test_a_replica_that_does_not_follow_is_away(tmp_path: Path, serve: Serve, online: str) -> None:
    lab = lab_with(tmp_path, serve(bulk(online)), [serve(QUORUM) for _ in range(3)])
    with pytest.raises(QuintetError, match="replicas: 0 of 1") as told:
        ask_sentinels(lab, 5)
    assert "quintet logs redis" in (told.value.remedy or "")


@pytest.mark.parametrize("answer", [NO_QUORUM, None], ids=["they lack each other", "they are away"])
def test_without_a_quorum_the_sentinels_are_named(tmp_path: Path, serve: Serve, answer: str | None) -> None:
    others = [serve(answer), serve(answer)] if answer else [1, 1]
    lab = lab_with(tmp_path, serve(bulk(WHOLE)), [serve(QUORUM), *others])
    with pytest.raises(QuintetError, match=r"no quorum.*sentinels: 1 of 3") as told:
        ask_sentinels(lab, 5)
    assert all(f"127.0.0.1:{port}: " in told.value.message for port in others)
    assert "quintet logs sentinel" in (told.value.remedy or "")


def test_an_address_that_leads_nowhere_is_told(tmp_path: Path, serve: Serve) -> None:
    lab = lab_with(tmp_path, 1, [serve(QUORUM) for _ in range(3)])
    with pytest.raises(QuintetError, match="refused"):
        ask_sentinels(lab, 5)


def test_a_wrong_password_is_told_in_the_servers_words(tmp_path: Path, serve: Serve) -> None:
    lab = lab_with(tmp_path, serve(bulk(WHOLE)), [serve(QUORUM) for _ in range(3)])
    (lab.file.with_name("secrets.yaml")).write_text("redis_quintet: other\n", encoding="utf-8")
    with pytest.raises(QuintetError, match="WRONGPASS"):
        ask_sentinels(lab, 5)
