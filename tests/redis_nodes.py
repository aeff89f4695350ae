"""Three nodes on this machine's loopback with what the roles write for them: two servers of Redis, sentinels, proxies.

Each node has an address of its own in 127.0.0.0/8, and another one where its proxy listens, as a node has its loopback.
Processes are started by the command that the role gives to the role `service`; nothing starts them again but the tests.
Programs are Debian's (scripts/peers redis-tools haproxy); tests are skipped, with the reason, where one is missing.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from free_ports import free_port
from plays import ANSIBLE, OWNER, player, writing

__all__ = ["LOST_AFTER", "NAMES", "SECRETS", "SERVERS", "RedisNodes", "client", "is_open", "run_id", "wait_until"]

NAMES = ("one", "two", "three")
SERVERS = NAMES[:2]
USERS = ("admin", "quintet", "replicator", "sentinel", "door", "monitor")
SECRETS = {f"redis_{user}": f"{user:->64}" for user in USERS}
#: Seconds without an answer after which the primary is replaced.
LOST_AFTER = 4
#: Seconds that stop a hanging test and measure nothing.
LIMIT = 90
GROUPS = ("etcd", "postgresql", "airflow")


def _client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("redis_client", ANSIBLE / "roles/redis/files/client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


#: The role's own program, which speaks Redis' protocol.
client = _client()


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Ask until it holds; what is refused or cut off meanwhile does not hold."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.1)
    pytest.fail(f"not within {LIMIT} s: {what}")


@dataclass
class RedisNodes:
    """The nodes below a folder with a short name: that of a proxy's socket must be."""

    folder: Path
    commands: dict[str, dict[str, list[str]]] = field(default_factory=dict, init=False)
    processes: dict[tuple[str, str], subprocess.Popen[bytes]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Choose addresses and ports, and make the homes."""
        installed = shutil.which("redis-check-rdb")
        proxy = shutil.which("haproxy")
        if installed is None or proxy is None:
            pytest.skip("Redis or haproxy is not on the PATH: scripts/peers redis-tools haproxy")
        self._installed, self._proxy = installed, proxy
        self._offset = free_port() - 16379
        net = f"127.{random.randrange(1, 255)}.{random.randrange(256)}"  # noqa: S311 - any will do
        self.addresses = {name: f"{net}.{number}" for number, name in enumerate(NAMES, 1)}
        self.loopbacks = {name: f"{net}.{number}" for number, name in enumerate(NAMES, 11)}
        for name in NAMES:
            for part in ("config", "data", "programs", "run", "envs/service/bin"):
                (self.home(name) / part).mkdir(parents=True)
            (self.home(name) / "envs/service/bin/python").symlink_to(sys.executable)
            self.secrets(name).write_text(yaml.safe_dump(SECRETS), encoding="utf-8")
        inventory = self.folder / "hosts.yml"
        inventory.write_text(yaml.safe_dump(self._inventory()), encoding="utf-8")
        self._play = player(self.folder / "play", self.folder, inventory)

    def home(self, name: str) -> Path:
        return self.folder / name

    def secrets(self, name: str) -> Path:
        return self.home(name) / "config" / "secrets.yaml"

    def server(self, name: str) -> str:
        return f"{self.addresses[name]}:{16379 + self._offset}"

    def sentinel(self, name: str) -> str:
        return f"{self.addresses[name]}:{16380 + self._offset}"

    def door(self, name: str = "three") -> str:
        """What clients on a node ask: its proxy."""
        return f"{self.loopbacks[name]}:{16379 + self._offset}"

    def _inventory(self) -> dict[str, Any]:
        hosts: dict[str, dict[str, Any]] = {
            name: {
                "bind_address": address,
                "quintet_home": str(self.home(name)),
                "ansible_connection": "local",
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            }
            for name, address in self.addresses.items()
        }
        everywhere: dict[str, Any] = {"hosts": {name: {} for name in NAMES}}
        return {
            "lab": {"hosts": hosts},
            "redis": {"hosts": {name: {} for name in SERVERS}},
            "sentinels": everywhere,
            "proxies": everywhere,
            **{group: {"hosts": {"one": {}}} for group in GROUPS},
        }

    def play(self, **variables: Any) -> dict[str, int]:
        """Write what the roles write; how many tasks changed something, by node."""
        told = "{{ {'redis': _redis_command, 'sentinel': _redis_sentinel_command} | to_json }}"
        keep = {
            "name": "Tell the commands",
            "ansible.builtin.copy": {"content": told, "dest": "{{ quintet_home }}/commands.json", "mode": "0644"},
        }
        done = self._play(
            [*writing("redis", "Run the sentinel"), *writing("proxy", "Run the proxy"), keep],
            **OWNER,
            profiles="search,monitoring",
            port_offset=self._offset,
            secrets_values=SECRETS,
            redis_lost_after_s=LOST_AFTER,
            _redis_installed=self._installed,
            **variables,
        )
        assert done.returncode == 0, done.stdout
        assert not any(secret in done.stdout for secret in SECRETS.values())
        for name in NAMES:
            found = json.loads((self.home(name) / "commands.json").read_text(encoding="utf-8"))
            self.commands[name] = {**found, "proxy": [self._proxy, "-db", "-f", str(self._proxy_file(name))]}
        return {name: int(count) for name, count in re.findall(r"^(\w+) +: ok=\d+ +changed=(\d+)", done.stdout, re.M)}

    def _proxy_file(self, name: str) -> Path:
        """The proxy's settings with the node's loopback instead of this machine's."""
        text = (self.home(name) / "config/proxy.cfg").read_text(encoding="utf-8")
        file = self.home(name) / "proxy.cfg"
        file.write_text(text.replace("bind 127.0.0.1:", f"bind {self.loopbacks[name]}:"), encoding="utf-8")
        return file

    def start(self, name: str, service: str, command: list[str] | None = None, stdin: Path | None = None) -> None:
        """Start a service of a node, by the role's command where no other is given."""
        with (self.home(name) / f"{service}.log").open("ab") as log, (stdin or Path("/dev/null")).open("rb") as given:
            self.processes[name, service] = subprocess.Popen(
                command or self.commands[name][service], stdin=given, stdout=log, stderr=log, cwd=self.home(name)
            )

    def kill(self, name: str, service: str) -> None:
        """End a service as the kernel ends it."""
        process = self.processes.pop((name, service))
        process.kill()
        process.wait(LIMIT)

    def pause(self, name: str, service: str) -> None:
        self.processes[name, service].send_signal(signal.SIGSTOP)

    def go_on(self, name: str, service: str) -> None:
        self.processes[name, service].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End all that runs."""
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
        for process in self.processes.values():
            process.wait(LIMIT)
        self.processes.clear()

    def log(self, name: str, service: str) -> str:
        return (self.home(name) / f"{service}.log").read_text(encoding="utf-8", errors="replace")

    def ask(self, door: str, *words: str, user: str = "quintet") -> str:
        """What a user is answered at a door."""
        with client.Connection(door, seconds=5) as redis:
            client.expect(redis.ask("AUTH", user, SECRETS[f"redis_{user}"]), "+OK", "AUTH")
            return str(redis.ask(*words))

    def role(self, name: str) -> str:
        """What a server takes itself for: master or slave; "" when it does not answer."""
        try:
            found = re.search(r"^role:(\w+)", self.ask(self.server(name), "INFO", "replication"), re.M)
        except (OSError, ValueError):
            return ""
        return found.group(1) if found else ""

    def identity(self, name: str) -> str:
        """What a running server is told apart by."""
        return run_id(self.ask(self.server(name), "INFO", "server"))

    def named(self, name: str) -> str:
        """Which server a sentinel names."""
        with client.Connection(self.sentinel(name), seconds=5) as one:
            found = one.enter(SECRETS["redis_quintet"]).ask_master()
        address = f"{found['ip']}:{found['port']}"
        return next(server for server in SERVERS if self.server(server) == address)

    def is_whole(self) -> bool:
        """Whether a primary is written to at every node, its replica follows, and every sentinel knows all others."""
        sentinels = [self.sentinel(name) for name in NAMES]
        return all(
            client.main("whole", str(self.secrets(name)), self.door(name), str(len(SERVERS)), *sentinels) == 0
            for name in NAMES
        )

    def primary(self) -> str:
        """The server that the address leads to."""
        found = run_id(self.ask(self.door(), "INFO", "server"))
        return next(name for name in SERVERS if self.role(name) and self.identity(name) == found)


def run_id(told: str) -> str:
    """Identity of the process in an answer to INFO server."""
    found = re.search(r"^run_id:(\w+)", told, re.M)
    if found is None:
        raise ValueError(told)
    return found.group(1)


def is_open(door: str) -> bool:
    """Whether somebody listens."""
    host, _, port = door.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
