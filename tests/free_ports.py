"""Ports for programs that tests start."""

from __future__ import annotations

import random
import socket

__all__ = ["free_port"]

#: Above those of the lab and of the lab under test, below those of outgoing connections.
_PORTS = 25_000, 32_000
_given: set[int] = set()


def free_port() -> int:
    """A port of the loopback that nobody listens on, for a program that is started, or started again, with it.

    Not one of those that the kernel gives to connections: it could be taken before the program listens.
    """
    while True:
        port = random.randrange(*_PORTS)  # noqa: S311 - any will do
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
