"""What `quintet doctor` says of search and Redis that are not as they should be; tests of the lab ask the real ones."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from labs import lab_below
from quintet.errors import QuintetError
from quintet.health.stores import ask_prometheus, ask_redis, ask_search
from quintet.settings import Lab


def lab_with(home: Path, port: int) -> Lab:
    options = {
        "search": {"ca": str(home / "ca.pem"), "admin": "admin", "writer": "writer", "reader": "reader"},
        "redis": {"user": "quintet", "admin": "admin"},
        "monitoring": {"user": "quintet", "admin": "admin"},
    }
    secrets = {"search_reader": "x", "redis_quintet": "y", "monitoring_quintet": "z"}
    doors = {"search": port, "redis": port, "prometheus": port}
    return lab_below(home, more_doors=doors, options=options, secrets=secrets)


def test_closed_doors_name_the_log(tmp_path: Path) -> None:
    lab = lab_with(tmp_path, 1)
    for ask, name in ((ask_redis, "redis"), (ask_search, "search"), (ask_prometheus, "prometheus")):
        with pytest.raises(QuintetError) as told:
            ask(lab, 5)
        assert told.value.remedy == f"Read: quintet logs {name}"


def test_a_refused_password_is_told_in_the_servers_words(tmp_path: Path) -> None:
    heard = []

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            heard.append(connection.recv(512))
            connection.sendall(b"-WRONGPASS invalid username-password pair\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        with pytest.raises(QuintetError, match="WRONGPASS invalid"):
            ask_redis(lab_with(tmp_path, listener.getsockname()[1]), 5)
        thread.join()
    assert heard == [b"AUTH quintet y\r\nPING\r\n"]
