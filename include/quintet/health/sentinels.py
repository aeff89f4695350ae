"""Redis on several nodes: whether the loss of a server would be made good, and who is primary."""

from __future__ import annotations

import socket
from typing import BinaryIO

from quintet.errors import QuintetError
from quintet.settings import Lab

__all__ = ["answer", "ask_agreement", "ask_sentinels", "named_primaries"]

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
        try:
            answer(lab, place, "SENTINEL CKQUORUM redis", timeout)
        except (OSError, ValueError) as error:
            silent.append(f"{place}: {error}")
    able = f"sentinels: {len(sentinels) - len(silent)} of {len(sentinels)}"
    if len(silent) * 2 >= len(sentinels):
        raise QuintetError(
            f"no quorum, so that nobody is primary for the address; {able}; {'; '.join(silent)}",
            remedy="On those nodes: quintet logs sentinel; then: quintet start sentinel",
        )
    try:
        told = answer(lab, f"{door.host}:{door.port}", "INFO replication", timeout)
    except (OSError, ValueError) as error:
        raise QuintetError(f"{door.url}: {error}", remedy="Read: quintet logs redis") from error
    copies = told[0].count("state=online")
    if copies < wanted:
        raise QuintetError(
            f"replicas: {copies} of {wanted}; {able}",
            remedy="On the nodes of Redis: quintet status; then, where it is away: quintet logs redis",
        )
    return f"replicas: {copies}, {able}"


def ask_agreement(lab: Lab, timeout: float) -> str:
    """Say who is primary; all replicas must follow it, and every sentinel name it and find it well.

    Raises:
        QuintetError: as ask_sentinels, or a sentinel is away or of another mind.

    """
    said = ask_sentinels(lab, timeout)
    named = named_primaries(lab, timeout)
    primaries = set(named.values())
    if len(primaries) > 1 or "" in primaries:
        told = "; ".join(f"{place} says {primary or 'nothing'}" for place, primary in named.items())
        raise QuintetError(
            f"the sentinels do not agree who is primary: {told}",
            remedy="On those nodes: quintet logs sentinel; then: quintet start sentinel",
        )
    return f"{said}, primary: {primaries.pop()}"


def named_primaries(lab: Lab, timeout: float) -> dict[str, str]:
    """Address and port of the primary by sentinel; "" where one does not answer or finds it not well."""
    found = {}
    for place in lab.options["redis"]["sentinels"]:
        try:
            words = answer(lab, place, "SENTINEL MASTER redis", timeout)
            told = dict(zip(words[::2], words[1::2], strict=True))
            found[place] = f"{told['ip']}:{told['port']}" if told["flags"] == "master" else ""
        except (OSError, ValueError, KeyError):
            found[place] = ""
    return found


def answer(lab: Lab, place: str, command: str, timeout: float, *, user: str | None = None) -> list[str]:
    """What a server or sentinel at `host:port` answers to a user, by default that of programs.

    Raises:
        OSError, ValueError: that is no answer.

    """
    name = user or lab.options["redis"]["user"]
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as connection, connection.makefile("rb") as file:
        connection.sendall(f"AUTH {name} {lab.secret(f'redis_{name}')}\r\n{command}\r\n".encode())
        _read(file)
        return _read(file)


def _read(file: BinaryIO) -> list[str]:
    """One answer of the protocol: a line, a text, or a list of these."""
    line = file.readline(LINE).decode(errors="replace").strip()
    if not line or line.startswith("-"):
        raise ConnectionError(line.removeprefix("-") or "it closes the connection")
    if line.startswith("$"):
        # The text is followed by an end of line.
        return [file.read(int(line[1:]) + 2).decode(errors="replace").removesuffix("\r\n")]
    if line.startswith("*"):
        return [word for _ in range(int(line[1:])) for word in _read(file)]
    return [line]
