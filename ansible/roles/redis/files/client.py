"""Prove that Redis can be used, and ask who is primary.

Usage: client.py ready|check <secrets file> <host>:<port>
       client.py whole <secrets file> <host>:<port> <servers> <sentinel>...
       client.py primary <secrets file> <sentinel>...

`ready` exits 0 when a user is let in and answered, by a server or a sentinel. `check` writes a value, reads it, removes
it, and tries what must be refused: a wrong password, none, a command without the right. `whole` exits 0 when so many
servers less one follow the primary and all sentinels could replace it. `primary` prints its address and port.
"""

from __future__ import annotations

import socket
import sys
import uuid
from pathlib import Path

#: Seconds for one answer.
ANSWER = 10
USER = "quintet"
#: What the sentinels call the servers that they watch.
WATCHED = "redis"


class Connection:
    """A connection that speaks Redis' protocol: single replies, and lists of them."""

    def __init__(self, door: str, *, seconds: float = ANSWER) -> None:
        host, _, port = door.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=seconds)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, *words: str) -> str:
        """Answer to a command; errors are answers that begin with a minus. Raises OSError."""
        told = [word.encode() for word in words]
        self._socket.sendall(b"*%d\r\n" % len(told) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in told))
        return self._answer()

    def ask_master(self) -> dict[str, str]:
        """What a sentinel says of the primary, by name. Raises ValueError and OSError."""
        said = self.ask("SENTINEL", "MASTER", WATCHED)
        expect(said, "*", "SENTINEL MASTER")
        found = [self._answer() for _ in range(int(said[1:]))]
        return dict(zip(found[::2], found[1::2], strict=True))

    def enter(self, password: str) -> Connection:
        """Give the password. Raises ValueError and OSError."""
        expect(self.ask("AUTH", USER, password), "+OK", "AUTH")
        return self

    def _answer(self) -> str:
        line = self._file.readline().decode().rstrip("\r\n")
        if not line:
            raise ConnectionError("Redis closed the connection")
        if line.startswith("$") and line != "$-1":
            return self._file.read(int(line[1:]) + 2)[:-2].decode()
        return line


def main(verb: str, secrets_file: str, *rest: str) -> int:
    """Do what the verb says; the exit code says whether it is as it should be."""
    lines = Path(secrets_file).read_text(encoding="utf-8").splitlines()
    (password,) = (line.split(": ", 1)[1].strip("'\"") for line in lines if line.startswith(f"redis_{USER}: "))
    try:
        if verb == "primary":
            sys.stdout.write("{} {}\n".format(*primary(rest, password)))
            return 0
        door = rest[0]
        with Connection(door) as redis:
            expect(redis.enter(password).ask("PING"), "+PONG", "PING")
            if verb == "check":
                check(redis, door)
            if verb == "whole":
                whole(redis, int(rest[1]), rest[2:], password)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{rest[0]}: {error}\n")
        return 1
    return 0


def check(redis: Connection, door: str) -> None:
    """Write, read, remove, be refused. Raises ValueError and OSError."""
    key, value = f"quintet:check:{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    expect(redis.ask("SET", key, value, "EX", "60"), "+OK", "SET")
    expect(redis.ask("GET", key), value, "GET")
    expect(redis.ask("DEL", key), ":1", "DEL")
    expect(redis.ask("FLUSHALL"), "-NOPERM", "FLUSHALL by a program")
    with Connection(door) as stranger:
        expect(stranger.ask("GET", key), "-NOAUTH", "GET without a password")
        expect(stranger.ask("AUTH", USER, "wrong"), "-WRONGPASS", "AUTH with a wrong password")
        expect(stranger.ask("AUTH", "wrong"), "-WRONGPASS", "AUTH without a user")


def whole(redis: Connection, servers: int, sentinels: tuple[str, ...], password: str) -> None:
    """Whether the loss of a server would be made good. Raises ValueError and OSError."""
    online = redis.ask("INFO", "replication").count("state=online")
    if online < servers - 1:
        raise ValueError(f"{online} of {servers - 1} replicas follow the primary")
    for sentinel in sentinels:
        with Connection(sentinel) as one:
            expect(one.enter(password).ask("SENTINEL", "CKQUORUM", WATCHED), "+OK", f"CKQUORUM at {sentinel}")
            if one.ask_master()["num-slaves"] == "0":
                raise ValueError(f"the sentinel {sentinel} knows no replica")


def primary(sentinels: tuple[str, ...], password: str) -> tuple[str, str]:
    """Address and port of the primary as the newest election of which most sentinels tell has it.

    Raises:
        ValueError: most of them do not answer.

    """
    told: list[tuple[int, str, str]] = []
    for sentinel in sentinels:
        try:
            with Connection(sentinel, seconds=2) as one:
                found = one.enter(password).ask_master()
        except (OSError, ValueError):
            continue
        told.append((int(found["config-epoch"]), found["ip"], found["port"]))
    if len(told) * 2 <= len(sentinels):
        raise ValueError(f"{len(told)} of {len(sentinels)} sentinels answer")
    _, address, port = max(told)
    return address, port


def expect(said: str, wanted: str, what: str) -> None:
    """Raise ValueError unless the answer is, or begins with, the wanted one."""
    if not said.startswith(wanted):
        raise ValueError(f"{what}: {said!r} is answered, not {wanted}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
