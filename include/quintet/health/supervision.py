"""Services as what keeps them alive sees them: supervisor or systemd, whichever the lab file names.

Supervisor is asked through its XML-RPC door, a UNIX socket below the lab's run folder; systemd through `systemctl`, for
the units `<prefix>-<service>.service`.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from quintet.errors import LabError, ServiceDownError
from quintet.settings import Lab

__all__ = ["Process", "ServiceManager", "Supervisor", "Systemd", "service_manager"]

#: Seconds for one call; starting and stopping wait for the program.
TIMEOUT = 120.0
#: Supervisor's words for systemd's; a service that waits for its next try is activating, too.
STATES = {
    "active": "RUNNING",
    "activating": "STARTING",
    "reloading": "RUNNING",
    "deactivating": "STOPPING",
    "inactive": "STOPPED",
    "failed": "FATAL",
}
PROPERTIES = "Id,LoadState,ActiveState,SubState,Result,MainPID,ActiveEnterTimestampMonotonic"


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


class ServiceManager(Protocol):
    """What keeps the services of one lab alive."""

    def processes(self) -> dict[str, Process]:
        """State of every service by name. Raises LabError and ServiceDownError."""
        ...

    def start(self, name: str) -> None:
        """Start a service. Raises LabError."""
        ...

    def stop(self, name: str) -> None:
        """Stop a service and wait until it has ended. Raises LabError."""
        ...


def service_manager(lab: Lab) -> ServiceManager:
    """Return the one that the lab file names."""
    return Systemd(lab) if lab.service_manager == "systemd" else Supervisor(lab)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self.path))
        except OSError:
            self.sock.close()
            raise


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _Connection(self.path)
        self._connection = host, connection  # what close() closes
        return connection


class Supervisor:
    """The process manager of one lab."""

    def __init__(self, lab: Lab) -> None:
        self._socket = lab.path("run") / "supervisor.sock"

    def _call(self, method: str, *arguments: Any) -> Any:
        # One connection a call: the door closes idle ones.
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(self._socket)) as proxy:
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


class Systemd:
    """The units of one lab. Anybody may ask; starting and stopping is for root."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._prefix = str(lab.options.get("unit_prefix", "quintet"))

    def _unit(self, name: str) -> str:
        return f"{self._prefix}-{name}.service"

    def _call(self, *arguments: str) -> str:
        command = ["systemctl", "--no-ask-password", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        except FileNotFoundError as error:
            raise LabError("systemctl is not on this machine", remedy="Run: make install") from error
        except subprocess.TimeoutExpired as error:
            raise LabError(f"systemctl {' '.join(arguments)} did not end within {TIMEOUT:.0f} s") from error
        if done.returncode != 0:
            raise LabError(
                f"systemctl {' '.join(arguments)}: {done.stderr.strip() or f'ended with {done.returncode}'}",
                remedy="Run as root, and where systemd runs the machine",
            )
        return done.stdout

    def processes(self) -> dict[str, Process]:
        """State of every service by name; one that systemd does not know is left out."""
        names = {self._unit(service.name): service.name for service in self._lab.services}
        if not names:
            return {}
        found = {}
        for block in self._call("show", f"--property={PROPERTIES}", *names).split("\n\n"):
            row = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            if row.get("LoadState") == "loaded":
                found[names[row["Id"]]] = _process(names[row["Id"]], row)
        return found

    def start(self, name: str) -> None:
        """Start a service, one that had failed too often as well."""
        known = self.processes().get(name)
        if known and known.state == "FATAL":
            self._call("reset-failed", self._unit(name))
        self._call("start", self._unit(name))

    def stop(self, name: str) -> None:
        """Stop a service and wait until it has ended."""
        self._call("stop", self._unit(name))


def _process(name: str, row: dict[str, str]) -> Process:
    waiting = row["SubState"] == "auto-restart"
    state = "BACKOFF" if waiting else STATES.get(row["ActiveState"], "UNKNOWN")
    entered = int(row["ActiveEnterTimestampMonotonic"] or 0) / 1e6
    detail = f"{row['ActiveState']} ({row['SubState']})"
    return Process(
        name=name,
        state=state,
        pid=int(row["MainPID"]),
        uptime_s=max(0, int(time.clock_gettime(time.CLOCK_MONOTONIC) - entered)) if state == "RUNNING" else 0,
        detail=detail if row["Result"] == "success" else f"{detail}: {row['Result']}",
    )
