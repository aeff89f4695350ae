"""Redis on several nodes: whether the loss of a server would be made good."""

from __future__ import annotations

import socket

from quintet.errors import QuintetError
from quintet.settings import Lab

__all__ = ["ask_sentinels"]

#: Longest line of an answer, in bytes.
LINE = 512


def ask_sentinels(lab: Lab, timeout: float) -> str:
    """Say how many replicas follow the primary, and how many sentinels could make one of them primary.

    Raises:
        QuintetError: most sentinels could not, or a replica is away.

    """
    door, options = lab.endpoint("redis"), lab.options["redis"]
    sentinels, wanted = options["sentinels"], options["servers"] - 1
    silent = []
    for place in sentinels:
        host, _, port = place.rpartition(":")
        try:
            _answer(lab, host, int(port), "SENTINEL CKQUORUM redis", timeout)
        except (OSError, ValueError) as error:
            silent.append(f"{place}: {error}")
    able = f"sentinels: {len(sentinels) - len(silent)} of {len(sentinels)}"
    if len(silent) * 2 >= len(sentinels):
        raise QuintetError(
            f"no quorum, so that nobody is primary for the address; {able}; {'; '.join(silent)}",
            remedy="On those nodes: quintet logs sentinel; then: quintet start sentinel",
        )
    try:
        copies = _answer(lab, door.host, door.port, "INFO replication", timeout).count("state=online")
    except (OSError, ValueError) as error:
        raise QuintetError(f"{door.url}: {error}", remedy="Read: quintet logs redis") from error
    if copies < wanted:
        raise QuintetError(
            f"replicas: {copies} of {wanted}; {able}",
            remedy="On the nodes of Redis: quintet status; then, where it is away: quintet logs redis",
        )
    return f"replicas: {copies}, {able}"


def _answer(lab: Lab, host: str, port: int, command: str, timeout: float) -> str:
    """What the programs' user is answered; OSError and ValueError when that is no answer."""
    user = lab.options["redis"]["user"]
    with socket.create_connection((host, port), timeout=timeout) as connection, connection.makefile("rb") as file:
        connection.sendall(f"AUTH {user} {lab.secret(f'redis_{user}')}\r\n{command}\r\n".encode())
        line = ""
        for _ in ("AUTH", command):
            line = file.readline(LINE).decode(errors="replace").strip()
            if not line or line.startswith("-"):
                raise ConnectionError(line.removeprefix("-") or "it closes the connection")
        return file.read(int(line[1:])).decode(errors="replace") if line.startswith("$") else line
