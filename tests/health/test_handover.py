"""What this node is primary of is handed over, once another has all that was written. Servers are small ones."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labs import lab_below
from quintet.errors import LabError, QuintetError
from quintet.health import handover
from quintet.health.handover import hand_over
from quintet.health.sentinels import ask_agreement
from quintet.settings import Lab
from serving import JsonHandler, serving

SECRETS = {"postgres_patroni": "p", "redis_quintet": "q", "redis_admin": "a"}
NODES = {
    "one": {"address": "127.0.0.1", "services": ["postgres", "redis"]},
    "two": {"address": "127.0.0.2", "services": ["postgres", "redis"]},
}


class Patroni(JsonHandler):
    """A cluster of two; `refusal` is what it answers to a switchover."""

    leader = "one"
    refusal = ""
    status = 412
    asked: list[tuple[str, dict[str, Any]]] = []  # noqa: RUF012 - of one test

    def do_GET(self) -> None:
        roles = {name: "leader" if name == self.leader else "sync_standby" for name in ("one", "two")}
        self.say(200, {"members": [{"name": name, "role": role, "state": "running"} for name, role in roles.items()]})

    def do_POST(self) -> None:
        who = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        Patroni.asked.append((who, json.loads(self.given())))
        if not self.refusal or self.status == 503:
            Patroni.leader = "two"
        self.say(self.status if self.refusal else 200, self.refusal.encode() or b"Successfully switched over")


@pytest.fixture
def patroni(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for name, value in (("leader", "one"), ("refusal", ""), ("asked", [])):
        monkeypatch.setattr(Patroni, name, value)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Patroni)
    with serving(server):
        members = dict.fromkeys(("one", "two"), f"http://127.0.0.1:{server.server_port}")
        yield lab_below(
            tmp_path / "lab",
            options={"postgres": {"user": "patroni", "members": members}},
            secrets=SECRETS,
            nodes=NODES,
        )


def test_the_primary_of_postgres_is_handed_over(patroni: Lab) -> None:
    assert hand_over(patroni) == ["PostgreSQL: two is primary"]
    assert Patroni.asked == [("patroni:p", {"leader": "one"})]
    assert hand_over(patroni) == []


def test_a_refusal_is_told_in_patronis_words(patroni: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patroni, "refusal", "no good candidates have been found")
    with pytest.raises(LabError, match="hands nothing over: no good candidates"):
        hand_over(patroni)


def test_a_switchover_that_patroni_does_not_wait_for_is_waited_for(
    patroni: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Patroni, "refusal", "Switchover status unknown")
    monkeypatch.setattr(Patroni, "status", 503)
    assert hand_over(patroni) == ["PostgreSQL: two is primary"]


def test_one_machine_has_nobody_to_hand_over_to(tmp_path: Path) -> None:
    assert hand_over(lab_below(tmp_path / "lab", nodes={"localhost": NODES["one"]})) == []


class Redis:
    """A primary and three sentinels that know the users; `asked` is what was told to whom."""

    def __init__(self) -> None:
        self.primary, self.behind, self.no_good_replica = "127.0.0.1", 0, False
        self.flags = ["master"] * 3
        self.asked: list[tuple[str, str, str]] = []
        self.door = 0

    def answer(self, who: str, user: str, command: str) -> str:
        if command.startswith(("CLIENT", "SENTINEL FAILOVER")):
            self.asked.append((who, user, command))
        if command == "SENTINEL FAILOVER redis":
            if self.no_good_replica:
                return "-NOGOODSLAVE No suitable replica to promote\r\n"
            self.primary = "127.0.0.2"
        if command == "SENTINEL MASTER redis":
            words = ["name", "redis", "ip", self.primary, "port", str(self.door), "flags", self.flags[int(who)]]
            return f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
        if command == "INFO replication":
            text = (
                f"role:master\r\nslave0:ip=127.0.0.2,port=1,state=online,offset={500 - self.behind},lag=0\r\n"
                "slave_read_only:1\r\nmaster_repl_offset:500\r\n"
            )
            return f"${len(text)}\r\n{text}\r\n"
        return "+OK\r\n"


@contextmanager
def served(redis: Redis, who: str) -> Iterator[int]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            _, user, password = self.rfile.readline().decode().split()
            if SECRETS[f"redis_{user}"] != password:
                self.wfile.write(b"-WRONGPASS\r\n")
                return
            command = self.rfile.readline().decode().strip()
            self.wfile.write(f"+OK\r\n{redis.answer(who, user, command)}".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def redis() -> Redis:
    return Redis()


@pytest.fixture
def lab(tmp_path: Path, redis: Redis) -> Iterator[Lab]:
    with (
        served(redis, "server") as door,
        served(redis, "0") as first,
        served(redis, "1") as second,
        served(redis, "2") as third,
    ):
        redis.door = door
        places = [f"127.0.0.1:{port}" for port in (first, second, third)]
        options = {"redis": {"user": "quintet", "admin": "admin", "servers": 2, "sentinels": places}}
        yield lab_below(tmp_path / "lab", more_doors={"redis": door}, options=options, secrets=SECRETS, nodes=NODES)


def test_the_primary_of_redis_stands_still_until_its_copy_has_all_and_is_replaced(lab: Lab, redis: Redis) -> None:
    assert hand_over(lab) == [f"Redis: 127.0.0.2:{redis.door} is primary"]
    assert redis.asked == [
        ("server", "admin", f"CLIENT PAUSE {handover.STILL_MS} WRITE"),
        ("0", "admin", "SENTINEL FAILOVER redis"),
    ]


def test_a_replica_has_nothing_to_hand_over(lab: Lab, redis: Redis) -> None:
    redis.primary = "127.0.0.2"
    assert hand_over(lab) == []
    assert redis.asked == []


def test_a_copy_that_is_behind_is_not_made_primary_and_writes_go_on(
    lab: Lab, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "STILL_MS", 1000)
    redis.behind = 1
    with pytest.raises(LabError, match="no replica of Redis has all that was written"):
        hand_over(lab)
    assert [command for _, _, command in redis.asked] == ["CLIENT PAUSE 1000 WRITE", "CLIENT UNPAUSE"]


def test_when_no_sentinel_changes_the_primary_writes_go_on(lab: Lab, redis: Redis) -> None:
    redis.no_good_replica = True
    with pytest.raises(LabError, match=r"no sentinel changes the primary: .*NOGOODSLAVE"):
        hand_over(lab)
    assert redis.asked[-1] == ("server", "admin", "CLIENT UNPAUSE")


def test_sentinels_that_agree_are_let_through(lab: Lab, redis: Redis) -> None:
    assert ask_agreement(lab, 5) == f"replicas: 1, sentinels: 3 of 3, primary: 127.0.0.1:{redis.door}"


def test_a_sentinel_that_finds_the_primary_away_is_named(lab: Lab, redis: Redis) -> None:
    redis.flags[1] = "s_down,master"
    with pytest.raises(QuintetError, match=r"do not agree .*says 127.0.0.1:\d+; \S+ says nothing; \S+ says 127"):
        ask_agreement(lab, 5)
