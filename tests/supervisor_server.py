"""A small server that speaks the part of supervisor's XML-RPC interface that the lab uses, on a UNIX socket."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

from serving import serving


@dataclass
class SupervisorServer:
    """Programs by name: (state, process id); and the calls that changed something."""

    programs: dict[str, tuple[str, int]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def get_all(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "statename": state,
                "pid": pid,
                "now": 100,
                "start": 40,
                "spawnerr": "",
                "description": f"{state.lower()} as the test says",
            }
            for name, (state, pid) in self.programs.items()
        ]

    def start(self, name: str, _wait: bool) -> bool:
        if name not in self.programs:
            raise Fault(10, f"BAD_NAME: {name}")
        self.calls.append(("start", name))
        self.programs[name] = ("RUNNING", 1)
        return True

    def stop(self, name: str, _wait: bool) -> bool:
        self.calls.append(("stop", name))
        self.programs[name] = ("STOPPED", 0)
        return True


class _Handler(SimpleXMLRPCRequestHandler):
    rpc_paths = ()
    disable_nagle_algorithm = False  # no such thing on a UNIX socket

    def address_string(self) -> str:
        return "socket"

    def log_request(self, *_: Any) -> None:
        """Tests read `calls`, not a log."""


class _Server(socketserver.ThreadingUnixStreamServer, SimpleXMLRPCDispatcher):
    # A client may leave its connection open.
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str) -> None:
        SimpleXMLRPCDispatcher.__init__(self, allow_none=False, encoding=None)
        super().__init__(path, _Handler)


@contextmanager
def supervisor_server(socket_file: Path) -> Iterator[SupervisorServer]:
    """Serve at `socket_file` until the block is left."""
    state = SupervisorServer()
    server = _Server(str(socket_file))
    server.register_function(state.get_all, "supervisor.getAllProcessInfo")
    server.register_function(state.start, "supervisor.startProcess")
    server.register_function(state.stop, "supervisor.stopProcess")
    with serving(server):
        yield state
