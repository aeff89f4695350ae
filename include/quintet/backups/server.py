"""One server of PostgreSQL, asked through its socket as the superuser, whom only the services' user may be there.

`psql` is asked, which comes with the server: every environment can do that.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from quintet.backups.errors import BackupError, NotPrimaryError

__all__ = ["Server", "identity_of", "programs_of"]

#: Where Debian puts the programs of each version.
HOME = Path("/usr/lib/postgresql")
#: Seconds that a statement may take; hashing a large table is the longest.
STATEMENT = 900
#: Seconds until the server has archived what it was told to, and between two looks.
ARCHIVED, PAUSE = 120.0, 0.2


@dataclass(frozen=True)
class Server:
    """A server by its folders; `identity` are the words before a command that run it as the services' user."""

    data: Path
    sockets: Path
    port: int
    user: str = "postgres"
    identity: tuple[str, ...] = ()

    def ask(self, statement: str, database: str = "postgres") -> list[list[str]]:
        """Rows of a statement, every value as text. Variables go into it by `quoted`.

        Raises:
            BackupError: the server does not answer, or refuses.

        """
        door = ["-h", str(self.sockets), "-p", str(self.port), "-U", self.user, "-d", database]
        words = ["-XAtq", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", *door, "-f", "-"]
        command = [*self.identity, str(programs_of(self.data) / "psql"), *words]
        settings = {"PGOPTIONS": "-c timezone=UTC -c datestyle=ISO -c client_min_messages=warning", "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                command,
                input=statement,
                env={"PATH": os.defpath, "PGCONNECT_TIMEOUT": "10", **settings},
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
                timeout=STATEMENT,
            )
        except subprocess.TimeoutExpired as error:
            raise BackupError(f"PostgreSQL has not answered for {STATEMENT} s", remedy="Run: quintet doctor") from error
        if done.returncode != 0:
            raise BackupError(
                f"PostgreSQL at {self.sockets}, port {self.port}, refuses: {done.stderr.strip()[-1000:]}",
                remedy="Run: quintet doctor",
            )
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def value(self, statement: str, database: str = "postgres") -> str:
        """First value of the first row; empty when there is none."""
        rows = self.ask(statement, database)
        return rows[0][0] if rows else ""

    def is_replica(self) -> bool:
        """Whether it follows another server."""
        return self.value("select pg_is_in_recovery()") == "t"

    def require_primary(self) -> None:
        """Refuse to go on where the server is a replica.

        Raises:
            NotPrimaryError: it is one.

        """
        if self.is_replica():
            raise NotPrimaryError(
                "the server of this node is a replica, and a backup is taken beside the primary",
                remedy="Log in to the node of the primary; there: quintet backup postgres",
            )

    def archive_now(self) -> str:
        """End the segment that is being written and wait until it is archived; its name.

        Raises:
            BackupError: it is not; the message holds the archiver's figures.

        """
        # A segment without a record is not ended.
        self.ask("select pg_create_restore_point('archive now')")
        wanted = self.value("select pg_walfile_name(pg_switch_wal())")
        end = time.monotonic() + ARCHIVED
        while time.monotonic() < end:
            # Names of segments grow, with those of their timelines.
            if (found := self.value("select coalesce(last_archived_wal, '') from pg_stat_archiver")) >= wanted:
                return found
            time.sleep(PAUSE)
        failed = self.value(
            "select failed_count || ', the last: ' || coalesce(last_failed_wal, '-') from pg_stat_archiver"
        )
        raise BackupError(
            f"the segment {wanted} has not been archived within {ARCHIVED:.0f} s (failed: {failed})",
            remedy="Read why: quintet logs postgres",
        )


def programs_of(data: Path) -> Path:
    """Folder of the programs that belong to the version of a cluster.

    Raises:
        BackupError: they, or the cluster, are not here.

    """
    try:
        version = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    except OSError as error:
        raise BackupError(
            f"there is no cluster in {data} ({error.strerror})",
            remedy="Run it as root or as the lab's user, on a node that runs PostgreSQL",
        ) from error
    programs = HOME / version / "bin"
    if not programs.is_dir():
        raise BackupError(f"the programs of PostgreSQL {version} are not in {programs}", remedy="Run: make install")
    return programs


def identity_of(user: str) -> tuple[str, ...]:
    """Words before a command that run it as a user; none where this process is not root's, who may be anybody."""
    if os.geteuid() != 0 or user == "root":
        return ()
    group = pwd.getpwnam(user).pw_gid
    return ("setpriv", "--reuid", user, "--regid", str(group), "--init-groups", "--")
