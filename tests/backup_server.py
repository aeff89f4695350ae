"""A PostgreSQL whose log is archived by pgBackRest, both configured by the files of the role, in a lab of its own."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from free_ports import free_port
from labs import lab_below
from paths import ROOT
from quintet.backups.repository import Repository
from quintet.backups.server import Server, identity_of
from quintet.settings import Lab

__all__ = ["LIMIT", "Guarded", "guarded_server"]

ROLE = ROOT / "ansible" / "roles" / "postgresql"
#: Seconds; they stop a hanging test and measure nothing.
LIMIT = 120


@dataclass
class Guarded:
    """A lab whose server can be stopped, thrown away and started again; `program` is pgBackRest with its options."""

    lab: Lab
    program: list[str]
    home: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def repository(self) -> Repository:
        return Repository.of(self.lab)

    @property
    def server(self) -> Server:
        return self.repository.server

    @property
    def data(self) -> Path:
        return self.lab.path("data") / "postgres"

    def make(self) -> None:
        """Make an empty cluster, as the role does."""
        making = ["-U", "postgres", "--auth-local=peer", "--auth-host=reject", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        command = [*self._identity, str(self.home / "initdb"), "-D", str(self.data), "--data-checksums", *making]
        subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=LIMIT)
        for name in ("postgresql.conf", "pg_hba.conf"):
            self.write(self.data / name, rendered(f"{name}.j2", self.lab, self.program))
        self.write(self.data / "pg_ident.conf", f"lab {self.lab.user} postgres\n")

    def start(self) -> None:
        """Start it and wait until it takes writes."""
        command = [*self._identity, str(self.home / "postgres"), "-D", str(self.data), "-c", "fsync=off"]
        with (self.lab.path("logs") / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            assert self.process.poll() is None, self.told()[-2000:]
            probe = [*self._identity, str(self.home / "psql"), "-XAtqc", "select pg_is_in_recovery()", *self._door]
            done = subprocess.run(probe, capture_output=True, text=True, check=False, cwd="/")
            if done.stdout.strip() == "f":
                return
            time.sleep(0.1)
        raise AssertionError(f"PostgreSQL is not ready after {LIMIT} s: {self.told()[-2000:]}")

    def stop(self) -> None:
        """Stop it as the role's service does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(LIMIT)
            self.process = None

    def stanza(self) -> str:
        """Run the role's program that makes the repository; `changed` or `same`."""
        command = ["bash", str(self.lab.path("programs") / "stanza.sh"), str(self.repository.folder), *self.program]
        done = subprocess.run(
            [*self._identity, *command], capture_output=True, text=True, check=False, cwd="/", timeout=LIMIT
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def told(self) -> str:
        return (self.lab.path("logs") / "postgres.log").read_text(errors="replace")

    def write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        owned(path, self.lab.user)

    @property
    def _identity(self) -> tuple[str, ...]:
        return identity_of(self.lab.user)

    @property
    def _door(self) -> list[str]:
        return ["-h", str(self.lab.path("run")), "-p", str(self.server.port), "-U", "postgres", "-d", "postgres"]


def owned(path: Path, user: str) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, user, pwd.getpwnam(user).pw_gid)


def rendered(template: str, lab: Lab, program: list[str], **given: Any) -> str:
    """A file of the role as Ansible writes it."""
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    archive = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))["_postgresql_archive_command"]
    environment = jinja2.Environment(trim_blocks=True, autoescape=False)  # noqa: S701 - no page
    values = {
        **defaults,
        "paths": {name: str(path) for name, path in lab.paths.items()},
        "ports": {"postgres": lab.endpoint("postgres").port},
        "bind_address": "127.0.0.1",
        "lab_addresses": ["127.0.0.1"],
        "_postgresql_pgbackrest": program,
        **given,
    }
    values["_postgresql_archive_command"] = environment.from_string(archive).render(values)
    return environment.from_string((ROLE / "templates" / template).read_text(encoding="utf-8")).render(values)


def backrest(folder: Path) -> Path:
    """The program, where the server's user may run it: what is unpacked in a cache of root's is copied."""
    found = shutil.which("pgbackrest")
    if found is None:
        pytest.skip("pgBackRest is not on this machine: install its package, or put that of scripts/peers on the PATH")
    tree = Path(found).resolve().parents[1]
    if os.geteuid() != 0 or not (tree / "usr").is_dir():
        return Path(found).resolve()
    shutil.copytree(tree, folder / "pgbackrest", symlinks=True)
    return folder / "pgbackrest" / "bin" / "pgbackrest"


@contextmanager
def guarded_server(options: dict[str, Any] | None = None) -> Iterator[Guarded]:
    """A running server with an empty repository; below /tmp, since names of sockets are short."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not homes:
        pytest.skip("PostgreSQL is not on this machine: install its package")
    # PostgreSQL refuses to be run by root; a user of a lab has a group of his name.
    user = "daemon" if os.geteuid() == 0 else getpass.getuser()
    folder = Path(tempfile.mkdtemp(prefix="quintet-backups-"))
    folder.chmod(0o755)
    found: Guarded | None = None
    try:
        program = backrest(folder)
        lab = lab_below(folder / "lab", more_doors={"postgres": free_port()}, user=user, options=options)
        for place in ("data", "logs", "run", "backups"):
            owned(lab.path(place), user)
        words = [str(program), f"--config={lab.path('config') / 'pgbackrest.conf'}", "--stanza=main"]
        found = Guarded(lab, words, homes[-1].parent)
        shutil.copy(ROLE / "files" / "stanza.sh", lab.path("programs"))
        found.write(lab.path("config") / "pgbackrest.conf", rendered("pgbackrest.conf.j2", lab, words))
        found.make()
        found.start()
        assert found.stanza() == "changed"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
            yield found
    finally:
        if found is not None:
            found.stop()
        shutil.rmtree(folder, ignore_errors=True)
