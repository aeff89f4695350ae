"""Redis on several nodes as the roles write it: real servers, sentinels and proxies, some of which are killed."""

from __future__ import annotations

import re
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import redis_nodes
from labs import lab_below
from plays import Play, writing
from quintet.errors import QuintetError
from quintet.health.sentinels import ask_sentinels
from quintet.settings import Lab
from redis_nodes import LOST_AFTER, NAMES, SECRETS, SERVERS, RedisNodes, client, is_open, run_id, wait_until

LAUNCHER = redis_nodes.ANSIBLE / "roles/redis/files/sentinel.sh"


def test_sentinels_are_there_and_the_address_is_the_proxys_where_there_are_several_servers(play: Play) -> None:
    def add(name: str, group: str) -> dict[str, Any]:
        return {"name": f"Add {name}", "ansible.builtin.add_host": {"name": name, "groups": [group]}}

    say = "told {{ placed_services | map(attribute='name') | join(' ') }}, {{ door_hosts.redis }}."
    tell = {"name": "Tell", "ansible.builtin.debug": {"msg": say}}
    tasks = [add("localhost", "sentinels"), tell, add("two", "redis"), tell]
    done = play(tasks, profiles="search", bind_address="10.0.0.1")
    alone, both = re.findall(r"told (.*?)\.\"", done.stdout)
    assert "sentinel" not in alone.split()
    assert alone.endswith(", 10.0.0.1")
    assert " sentinel redis search " in both
    assert both.endswith(", 127.0.0.1")


def test_two_sentinels_are_refused(play: Play) -> None:
    hosts = {"name": "Add", "ansible.builtin.add_host": {"name": "two", "groups": ["redis", "sentinels"]}}
    done = play([hosts, *writing("redis", "Make the folders of Redis")], profiles="search")
    assert done.returncode != 0
    assert "Name three hosts in the group sentinels" in done.stdout


@pytest.fixture(scope="module")
def found() -> Iterator[RedisNodes]:
    # A socket's path is no longer than a hundred characters.
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        nodes = RedisNodes(Path(folder))
        try:
            assert min(nodes.play().values()) > 0
            for service in ("sentinel", "proxy"):
                for name in NAMES:
                    nodes.start(name, service)
            for name in SERVERS:
                nodes.start(name, "redis")
            yield nodes
        finally:
            nodes.stop()


@pytest.fixture
def nodes(found: RedisNodes) -> RedisNodes:
    """All of it running, a replica behind the primary."""
    wait_until(found.is_whole, "the replica follows")
    return found


def other(name: str) -> str:
    return SERVERS[1 - SERVERS.index(name)]


class Writer:
    """Writes numbers through the proxy of a node, one by one, until it is ended; notes who confirmed which and when.

    `stays`: over one connection as long as it holds, as a pool does; else each number has its own.
    """

    def __init__(self, nodes: RedisNodes, node: str, *, stays: bool) -> None:
        self.name = f"drill:{node}:{stays}"
        self.confirmed: list[tuple[int, float, str]] = []
        self._nodes, self._node, self._stays = nodes, node, stays
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._ended.is_set():
            try:
                with client.Connection(self._nodes.door(self._node), seconds=5) as redis:
                    redis.enter(SECRETS["redis_quintet"])
                    server = run_id(redis.ask("INFO", "server"))
                    while not self._ended.is_set():
                        number += 1
                        client.expect(redis.ask("SADD", self.name, str(number)), ":", "SADD")
                        self.confirmed.append((number, time.monotonic(), server))
                        time.sleep(0.02)
                        if not self._stays:
                            break
            except (OSError, ValueError):
                time.sleep(0.05)

    def took_turns(self) -> list[str]:
        """Servers in the order in which they took writes."""
        return [server for server, _ in groupby(server for _, _, server in self.confirmed)]


def has(nodes: RedisNodes, door: str, writer: Writer, number: int) -> bool:
    return nodes.ask(door, "SISMEMBER", writer.name, str(number)) == ":1"


def lost(nodes: RedisNodes, writer: Writer) -> list[float]:
    """When what is not there any more was confirmed."""
    return [moment for number, moment, _ in writer.confirmed if not has(nodes, nodes.door(), writer, number)]


def turns(writers: list[Writer]) -> list[str]:
    """Servers in the order in which they took writes of all writers."""
    confirmed = sorted((moment, server) for writer in writers for _, moment, server in writer.confirmed)
    return [server for server, _ in groupby(server for _, server in confirmed)]


def after(writers: list[Writer], condition: Callable[[], object]) -> None:
    """Wait until something holds, and then until every writer has written again."""
    wait_until(condition, "what is waited for")
    counts = [len(writer.confirmed) for writer in writers]
    wait_until(
        lambda: all(len(writer.confirmed) > count + 5 for writer, count in zip(writers, counts, strict=True)),
        "all write again",
    )


@pytest.fixture
def writers(nodes: RedisNodes) -> Iterator[list[Writer]]:
    """On two nodes, with connections that stay and such that do not."""
    both = [Writer(nodes, node, stays=stays) for node in ("one", "three") for stays in (True, False)]
    for writer in both:
        nodes.ask(nodes.door(), "DEL", writer.name)
    with both[0], both[1], both[2], both[3]:
        after(both, lambda: True)
        yield both


def test_the_first_of_the_group_is_primary_when_there_was_none(nodes: RedisNodes) -> None:
    assert nodes.primary() == "one"
    assert {name: nodes.role(name) for name in SERVERS} == {"one": "master", "two": "slave"}
    assert {nodes.named(name) for name in NAMES} == {"one"}


def test_what_holds_passwords_is_closed_to_others(nodes: RedisNodes) -> None:
    for name in NAMES:
        files = ["config/proxy.cfg", "config/redis/sentinel.conf", "data/sentinel/sentinel.conf"]
        for file in files + (["config/redis/redis.conf"] if name in SERVERS else []):
            assert stat.S_IMODE((nodes.home(name) / file).stat().st_mode) == 0o600, file
        assert stat.S_IMODE((nodes.home(name) / "run/proxy.sock").stat().st_mode) == 0o600
        for service in ("redis", "sentinel", "proxy"):
            log = nodes.home(name) / f"{service}.log"
            assert not log.exists() or not any(secret in nodes.log(name, service) for secret in SECRETS.values())


def test_nobody_is_answered_without_the_password(nodes: RedisNodes) -> None:
    doors = [nodes.door(name) for name in NAMES] + [nodes.server(name) for name in SERVERS]
    for door in doors + [nodes.sentinel(name) for name in NAMES]:
        with client.Connection(door) as stranger:
            assert stranger.ask("PING").startswith("-NOAUTH")
            assert stranger.ask("AUTH", "quintet", "wrong").startswith("-WRONGPASS")
            assert stranger.ask("AUTH", "wrong").startswith("-WRONGPASS")
            assert stranger.ask("PING").startswith("-NOAUTH")


#: Commands that are not those of a user, for a server and for a sentinel.
REFUSED = {
    "server": {
        "door": ["GET key", "SET key value", "INFO", "KEYS *", "CONFIG GET *", "REPLICAOF NO ONE"],
        "replicator": ["GET key", "SET key value", "INFO", "REPLICAOF NO ONE"],
        "sentinel": ["GET key", "SET key value", "CONFIG GET *", "KEYS *", "PUBLISH other text"],
        "quintet": ["REPLICAOF NO ONE", "ROLE", "CONFIG SET maxmemory 1", "FLUSHALL"],
        "monitor": ["GET key", "REPLICAOF NO ONE"],
    },
    "sentinel": {
        "door": ["SENTINEL FAILOVER redis", "SENTINEL MASTER redis", "SENTINEL RESET *", "INFO"],
        "quintet": ["SENTINEL FAILOVER redis", "SENTINEL REMOVE redis", "SENTINEL SET redis quorum 1"],
        "sentinel": ["SENTINEL FAILOVER redis", "SENTINEL CONFIG GET *"],
    },
}


@pytest.mark.parametrize("kind", REFUSED)
def test_users_have_no_right_but_their_own(nodes: RedisNodes, kind: str) -> None:
    door = nodes.server("one") if kind == "server" else nodes.sentinel("one")
    answers = {
        (user, words): nodes.ask(door, *words.split(), user=user)
        for user, commands in REFUSED[kind].items()
        for words in commands
    }
    assert {key: said for key, said in answers.items() if not said.startswith("-NOPERM")} == {}


def test_a_killed_primary_is_replaced_and_comes_back_as_a_replica(nodes: RedisNodes, writers: list[Writer]) -> None:
    old = nodes.primary()
    new = other(old)
    identities = [nodes.identity(name) for name in (old, new)]
    copied = {}
    for writer in writers:
        number = writer.confirmed[-1][0]
        wait_until(lambda w=writer, n=number: has(nodes, nodes.server(new), w, n), "the replica has it")
        copied[writer.name] = number
    nodes.kill(old, "redis")
    killed = time.monotonic()
    after(writers, lambda: nodes.primary() == new)
    gap = min(moment for writer in writers for _, moment, _ in writer.confirmed if moment > killed + 1) - killed
    nodes.start(old, "redis")
    after(writers, nodes.is_whole)
    for writer in writers:
        writer.__exit__()

    assert nodes.role(old) == "slave"
    assert "starting as --replicaof" in nodes.log(old, "redis")
    assert turns(writers) == identities, "one server took writes, then the other"
    for writer in writers:
        assert all(has(nodes, nodes.door(), writer, number) for number in range(1, copied[writer.name]))
        assert [moment for moment in lost(nodes, writer) if moment < killed - 1] == [], "older than the replication"
    print(f"writes went on after {gap:.1f} s, {sum(len(lost(nodes, writer)) for writer in writers)} lost")  # noqa: T201


def test_an_old_primary_that_takes_itself_for_one_is_not_written_to(nodes: RedisNodes, writers: list[Writer]) -> None:
    """Started by hand, without asking the sentinels: until they make it a replica there are two."""
    old = nodes.primary()
    new = other(old)
    identities = [nodes.identity(name) for name in (old, new)]
    nodes.kill(old, "redis")
    after(writers, lambda: nodes.primary() == new)
    program = str(nodes.home(old) / "programs/redis/redis-server")
    nodes.start(old, "redis", [program, "-"], stdin=nodes.home(old) / "config/redis/redis.conf")
    wait_until(lambda: nodes.role(old) == "master", "it takes itself for the primary")
    impostor = nodes.identity(old)
    assert nodes.role(new) == "master"
    after(writers, lambda: nodes.role(old) == "slave")
    for writer in writers:
        writer.__exit__()
    assert impostor not in turns(writers)
    assert turns(writers) == identities


def test_a_primary_that_stood_still_is_not_written_to_when_it_goes_on(nodes: RedisNodes, writers: list[Writer]) -> None:
    """It knows nothing of its successor, and its connections were open."""
    old = nodes.primary()
    new = other(old)
    identities = [nodes.identity(name) for name in (old, new)]
    nodes.pause(old, "redis")
    try:
        after(writers, lambda: {nodes.named(name) for name in NAMES} == {new})
    finally:
        nodes.go_on(old, "redis")
    after(writers, nodes.is_whole)
    for writer in writers:
        writer.__exit__()
    assert nodes.role(old) == "slave"
    assert turns(writers) == identities


def test_with_one_sentinel_away_the_primary_is_replaced_all_the_same(nodes: RedisNodes) -> None:
    old = nodes.primary()
    nodes.kill("three", "sentinel")
    try:
        nodes.kill(old, "redis")
        wait_until(lambda: nodes.ask(nodes.door(), "SET", "key", "value") == "+OK", "writes go on")
        assert nodes.primary() == other(old)
    finally:
        nodes.start("three", "sentinel")
        nodes.start(old, "redis")


def test_without_most_sentinels_no_server_is_written_to_or_started(nodes: RedisNodes) -> None:
    old = nodes.primary()
    wait_until(lambda: nodes.ask(nodes.door(), "SET", "key", "value") == "+OK", "it is written to")
    for name in ("two", "three"):
        nodes.kill(name, "sentinel")
    try:
        wait_until(lambda: not answers(nodes), "the address lets go of the primary")
        nodes.kill(old, "redis")
        nodes.start(old, "redis")
        wait_until(lambda: "waiting until most" in nodes.log(old, "redis").splitlines()[-1], "the server waits")
        assert not is_open(nodes.server(old))
    finally:
        for name in ("two", "three"):
            nodes.start(name, "sentinel")
    wait_until(lambda: nodes.ask(nodes.door(), "GET", "key") == "value", "it goes on where it was")


def test_a_node_that_hears_too_few_sentinels_lets_go_of_the_primary_in_time(nodes: RedisNodes) -> None:
    """They do not refuse, they are silent, as behind a cut network."""
    for name in ("two", "three"):
        nodes.pause(name, "sentinel")
    silent = time.monotonic()
    try:
        wait_until(lambda: not answers(nodes), "the address lets go of the primary")
        # Half the time after which a primary is replaced, a second for each of two looks, one for a busy machine.
        assert time.monotonic() - silent < LOST_AFTER / 2 + 3
    finally:
        for name in ("two", "three"):
            nodes.go_on(name, "sentinel")


def test_the_doctor_tells_what_is_away(nodes: RedisNodes, tmp_path: Path) -> None:
    sentinels = [nodes.sentinel(name) for name in NAMES]
    options = {"redis": {"user": "quintet", "admin": "admin", "servers": 2, "sentinels": sentinels}}
    host, _, port = nodes.door().rpartition(":")
    lab = lab_below(tmp_path, more_doors={"redis": int(port)}, options=options, secrets=SECRETS)
    lab = replace(lab, endpoints={**lab.endpoints, "redis": replace(lab.endpoint("redis"), host=host)})
    assert ask_sentinels(lab, 5) == "replicas: 1, sentinels: 3 of 3"
    follower = other(nodes.primary())
    nodes.kill(follower, "redis")
    wait_until(lambda: told(lab).startswith("replicas: 0 of 1"), "the replica is missed")
    nodes.start(follower, "redis")
    wait_until(nodes.is_whole, "the replica is back")
    for name in ("two", "three"):
        nodes.kill(name, "sentinel")
    wait_until(lambda: "sentinels: 0 of 3" in told(lab), "the quorum is missed")
    for name in ("two", "three"):
        nodes.start(name, "sentinel")


def told(lab: Lab) -> str:
    """What the doctor says is wrong; "" when nothing is."""
    try:
        ask_sentinels(lab, 5)
    except QuintetError as error:
        return error.message
    return ""


def answers(nodes: RedisNodes) -> bool:
    try:
        return nodes.ask(nodes.door(), "PING") == "+PONG"
    except (OSError, ValueError):
        return False


def test_a_sentinel_that_is_started_anew_is_who_it_was_and_knows_the_primary(nodes: RedisNodes) -> None:
    file = nodes.home("three") / "data/sentinel/sentinel.conf"
    before = nodes.primary()

    def identity() -> str:
        return next(line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("sentinel myid"))

    known = identity()
    nodes.kill("three", "sentinel")
    nodes.start("three", "sentinel")
    wait_until(lambda: nodes.named("three") == before, "it names the primary")
    assert identity() == known
    text = file.read_text(encoding="utf-8")
    assert text.count("sentinel known-sentinel") == 2
    assert text.count("sentinel known-replica") == 1


def test_playing_again_after_all_that_changes_nothing(nodes: RedisNodes) -> None:
    assert nodes.play() == dict.fromkeys(NAMES, 0)


def test_a_changed_setting_comes_to_a_sentinel_and_leaves_what_it_learned(tmp_path: Path) -> None:
    settings, own, program = tmp_path / "settings", tmp_path / "own", tmp_path / "program"
    program.write_text("#!/bin/sh\ncat $1\n", encoding="utf-8")
    program.chmod(0o755)
    settings.write_text("port 1\nsentinel monitor redis 10.0.0.1 5 2\nsentinel auth-pass redis new\n", encoding="utf-8")

    def started() -> list[str]:
        parts = ["10.0.0.1:5", "10.0.0.2:5", "10.0.0.1:6", "10.0.0.2:6"]
        done = subprocess.run([LAUNCHER, program, settings, own, *parts], capture_output=True, text=True, check=True)
        assert stat.S_IMODE(own.stat().st_mode) == 0o600
        return done.stdout.split("\n")

    assert "sentinel monitor redis 10.0.0.1 5 2" in started()
    learned = ["sentinel myid abc", "sentinel config-epoch redis 7", "sentinel known-sentinel redis 10.0.0.2 6 def"]
    gone = ["sentinel known-sentinel redis 10.0.0.9 6 012", "sentinel known-replica redis 10.0.0.9 5"]
    former = ["port 2", "sentinel monitor redis 10.0.0.2 5 3", "sentinel auth-pass redis old", *learned, *gone]
    own.write_text("\n".join(former), encoding="utf-8")
    found = started()
    assert set(found) - {""} == {
        "port 1",
        "sentinel monitor redis 10.0.0.2 5 2",
        "sentinel auth-pass redis new",
        *learned,
    }
    own.write_text("sentinel monitor redis 10.0.0.9 5 2\n", encoding="utf-8")
    assert "sentinel monitor redis 10.0.0.1 5 2" in started(), "a server that the lab has no more is no primary"


@pytest.mark.parametrize(
    ("told", "primary"),
    [
        ([(1, "a"), (1, "a"), (1, "a")], "a"),
        ([(1, "a"), (2, "b"), (1, "a")], "b"),
        ([(1, "a"), None, (2, "b")], "b"),
        ([(1, "a"), None, None], None),
        ([None, None, None], None),
    ],
)
def test_the_primary_is_that_of_the_newest_election_if_most_sentinels_answer(
    monkeypatch: pytest.MonkeyPatch, told: list[tuple[int, str] | None], primary: str | None
) -> None:
    class Sentinel:
        def __init__(self, door: str, *, seconds: float) -> None:
            self.told = told[int(door)]

        def __enter__(self) -> Sentinel:
            if self.told is None:
                raise ConnectionRefusedError
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def enter(self, password: str) -> Sentinel:
            return self

        def ask_master(self) -> dict[str, str]:
            assert self.told is not None
            return {"config-epoch": str(self.told[0]), "ip": self.told[1], "port": "1"}

    monkeypatch.setattr(client, "Connection", Sentinel)
    if primary is None:
        with pytest.raises(ValueError, match="of 3 sentinels answer"):
            client.primary(("0", "1", "2"), "")
    else:
        assert client.primary(("0", "1", "2"), "") == (primary, "1")
