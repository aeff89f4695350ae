"""Services as supervisor sees them, asked through its XML-RPC door: a UNIX socket below the lab's run folder."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quintet.errors import LabError, ServiceDownError
from quintet.settings import Lab

__all__ = ["Process", "Supervisor"]

#: Seconds for one call; starting and stopping wait for the program.
TIMEOUT = 120.0


@dataclass(frozen=True)
class Process:
    """State of one service: `state` in supervisor's words (RUNNING, STOPPED, FATAL, …); times in seconds."""

    name: str
    state: str
    pid: int
    uptime_s: int
    detail: str

    @property
    def is_running(self) -> bool:
        """Whether the program runs."""
        return self.state == "RUNNING"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(self.path)


class Supervisor:
    """The process manager of one lab."""

    def __init__(self, lab: Lab) -> None:
        self._socket = lab.path("run") / "supervisor.sock"

    def _call(self, method: str, *arguments: Any) -> Any:
        # One connection a call: the door closes idle ones.
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(self._socket))
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise LabError(f"supervisor refused {method}{arguments}: {fault.faultString}") from fault
        except PermissionError as error:
            raise LabError(f"{self._socket} is not yours", remedy="Run as root or as the lab's user") from error
        except (OSError, http.client.HTTPException) as error:
            raise ServiceDownError(
                "the lab is not running (its supervisor does not answer)", remedy="Run: make start"
            ) from error

    def processes(self) -> dict[str, Process]:
        """State of every service by name."""
        found = {}
        for row in self._call("getAllProcessInfo"):
            running = row["statename"] == "RUNNING"
            found[row["name"]] = Process(
                name=row["name"],
                state=row["statename"],
                pid=row["pid"],
                uptime_s=max(0, row["now"] - row["start"]) if running else 0,
                detail=row["spawnerr"] or row["description"],
            )
        return found

    def start(self, name: str) -> None:
        """Start a service and wait until supervisor calls it running."""
        self._call("startProcess", name, True)

    def stop(self, name: str) -> None:
        """Stop a service and wait until it has ended."""
        self._call("stopProcess", name, True)
