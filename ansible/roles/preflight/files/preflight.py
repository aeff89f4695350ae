"""Check a machine before anything is changed: prints one `problem. remedy` line for each failing check.

Argument: JSON with home, target (unit of systemd, empty without), user, memory_mb, disk_mb, bind_address,
ports {name: port}.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> int:
    """Print every problem; the exit code says whether there was one."""
    wanted = json.loads(sys.argv[1])
    problems = [*system(), *memory(wanted), *disk(wanted), *home(wanted), *ports(wanted), *clock()]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


def system() -> Iterator[str]:
    """Debian or Ubuntu on x86-64 or arm64, with the tools that installing needs."""
    release = platform.freedesktop_os_release()
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    if not family & {"debian", "ubuntu"}:
        yield f"this system is {release.get('PRETTY_NAME')}. Use Debian 12, Ubuntu 24.04 or a relative of them."
    needed = {"apt-get": "apt", "tar": "tar", "setpriv": "util-linux"}
    if os.geteuid() != 0:
        needed["sudo"] = "sudo"
    for program, package in needed.items():
        if not shutil.which(program):
            yield f"the program {program} is missing. Install the package {package}."


def memory(wanted: dict[str, Any]) -> Iterator[str]:
    """Memory that is free, or held by this lab already."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    free = int(lines["MemAvailable"].split()[0]) // 1024
    if running(wanted):
        return
    if free < wanted["memory_mb"]:
        yield (
            f"{free} MB of memory are free, the chosen profiles need {wanted['memory_mb']} MB. "
            "Stop other programs, or lower trino_heap_mb and spark_driver_memory."
        )


def disk(wanted: dict[str, Any]) -> Iterator[str]:
    """Disk below the lab's home."""
    place = existing(Path(wanted["home"]))
    free = shutil.disk_usage(place).free // 1024**2
    if not (Path(wanted["home"]) / "programs").exists() and free < wanted["disk_mb"]:
        yield (
            f"{free} MB are free on the disk of {place}, the chosen profiles need {wanted['disk_mb']} MB. "
            "Make room, or set QUINTET_HOME to a folder on a larger disk."
        )


def home(wanted: dict[str, Any]) -> Iterator[str]:
    """Every folder above the lab's home lets the services' user through."""
    path = Path(wanted["home"])
    if not path.is_absolute():
        yield f"the home {path} is not an absolute path. Set QUINTET_HOME to one."
        return
    place = existing(path)
    if not os.access(place, os.W_OK):
        yield f"{place} cannot be written. Set QUINTET_HOME to a folder that you may write."
    try:
        mine = pwd.getpwnam(wanted["user"]).pw_uid == os.geteuid()
    except KeyError:
        mine = False
    for folder in [] if mine else [place, *place.parents]:
        if not folder.stat().st_mode & stat.S_IXOTH and str(folder) != wanted["home"]:
            yield (
                f"the user {wanted['user']} cannot pass through {folder}. "
                "Set QUINTET_HOME to a folder outside of it, for example /srv/quintet."
            )


def ports(wanted: dict[str, Any]) -> Iterator[str]:
    """Every port is free, or held by this lab."""
    if running(wanted):
        return
    for name, port in wanted["ports"].items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((wanted["bind_address"], int(port)))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    yield (
                        f"port {port} (ports.{name}) is in use{holder(int(port))}. "
                        "Stop that program, or choose other ports: make install ARGS='-e port_offset=100'."
                    )
                else:
                    yield f"port {port} (ports.{name}) cannot be bound: {error.strerror}. Choose another."


def clock() -> Iterator[str]:
    """A clock that is far off breaks tokens and certificates."""
    if time.time() < 1_735_689_600:
        yield "the clock is before 2025. Set it, for example with timedatectl."


def existing(path: Path) -> Path:
    """Return the nearest folder that is there."""
    while not path.exists():
        path = path.parent
    return path


def running(wanted: dict[str, Any]) -> bool:
    """Tell whether what keeps this lab's services alive runs: what they hold is no clash."""
    if wanted["target"] and shutil.which("systemctl"):
        asked = subprocess.run(["systemctl", "is-active", "--quiet", wanted["target"]], check=False)
        if asked.returncode == 0:
            return True
    try:
        pid = int((Path(wanted["home"]) / "run" / "supervisord.pid").read_text(encoding="ascii"))
        os.kill(pid, 0)
    except (OSError, ValueError):
        return False
    return True


def holder(port: int) -> str:
    """Name the process that listens on a port, when it can be known."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(entry.readlink()) in inodes:
                return f" by {(entry.parents[1] / 'comm').read_text().strip()} (process {entry.parents[1].name})"
        except OSError:
            continue
    return ""


sys.exit(main())
