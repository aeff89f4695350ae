"""Prove that Redis can be used.

Usage: client.py ready|check <host>:<port> <secrets file>

`ready` exits 0 when a user is let in and answered. `check` writes a value, reads it, removes it, and tries what must be
refused: a wrong password, none, a command without the right.
"""

from __future__ import annotations

import socket
import sys
import uuid
from pathlib import Path

#: Seconds for one answer.
ANSWER = 10
USER = "quintet"


class Connection:
    """A connection that speaks Redis' protocol: single replies only."""

    def __init__(self, door: str) -> None:
        host, _, port = door.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=ANSWER)
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
        line = self._file.readline().decode().rstrip("\r\n")
        if not line:
            raise ConnectionError("Redis closed the connection")
        if line.startswith("$") and line != "$-1":
            return self._file.read(int(line[1:]) + 2)[:-2].decode()
        return line


def main(verb: str, door: str, secrets_file: str) -> int:
    """Do what the verb says; the exit code says whether it is as it should be."""
    lines = Path(secrets_file).read_text(encoding="utf-8").splitlines()
    (password,) = (line.split(": ", 1)[1].strip("'\"") for line in lines if line.startswith(f"redis_{USER}: "))
    try:
        with Connection(door) as redis:
            expect(redis.ask("AUTH", USER, password), "+OK", "AUTH")
            expect(redis.ask("PING"), "+PONG", "PING")
            if verb == "check":
                check(redis, door)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{door}: {error}\n")
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


def expect(said: str, wanted: str, what: str) -> None:
    """Raise ValueError unless the answer is, or begins with, the wanted one."""
    if not said.startswith(wanted):
        raise ValueError(f"{what}: {said!r} is answered, not {wanted}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
