"""The installer of archives: retried, cached once whole, stamped; an unchanged version installs nothing."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from plays import ANSIBLE

INSTALLER = ANSIBLE / "roles" / "programs" / "files" / "install.sh"
COORDINATES = "org.example:server:1.0:tar.gz:all"
#: Copies an archive as Maven does, counts its calls, and fails the first when it is told to.
MAVEN = """#!/usr/bin/env bash
echo call >>"$MAVEN_CALLS"
[[ -n "${MAVEN_FAILS:-}" && $(wc -l <"$MAVEN_CALLS") == 1 ]] && exit 1
for word in "$@"; do
  case $word in -DoutputDirectory=*) cp "$MAVEN_ARCHIVE" "${word#*=}/server-1.0-all.tar.gz" ;; esac
done
"""


class Installer:
    """Runs of the installer with a Maven that serves one archive."""

    def __init__(self, folder: Path) -> None:
        self.cache, self.target, self.calls_file = folder / "cache", folder / "target", folder / "calls"
        (folder / "bin").mkdir()
        self.cache.mkdir()
        maven = folder / "bin" / "mvn"
        maven.write_text(MAVEN, encoding="utf-8")
        maven.chmod(0o755)
        (folder / "run.jar").write_text("program", encoding="utf-8")
        archive = folder / "archive.tar.gz"
        with tarfile.open(archive, "w:gz") as file:
            file.add(folder / "run.jar", "run.jar")
        self.environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "MAVEN_CALLS": str(self.calls_file),
            "MAVEN_ARCHIVE": str(archive),
        }

    def __call__(self, coordinates: str = COORDINATES, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", INSTALLER, "archive", coordinates, self.cache, self.target],
            env={**self.environment, **variables},
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )

    @property
    def calls(self) -> int:
        return len(self.calls_file.read_text(encoding="utf-8").splitlines())


@pytest.fixture
def install(tmp_path: Path) -> Installer:
    return Installer(tmp_path)


def test_an_archive_is_unpacked_once(install: Installer) -> None:
    assert install().stdout == "changed\n"
    assert (install.target / "run.jar").read_text(encoding="utf-8") == "program"
    assert install().stdout == "same\n"
    assert install.calls == 1


def test_another_target_takes_the_archive_from_the_cache(install: Installer) -> None:
    install()
    (install.target / ".stamp").unlink()
    assert install().stdout == "changed\n"
    assert install.calls == 1


def test_a_download_that_failed_is_tried_again(install: Installer) -> None:
    done = install(MAVEN_FAILS="1")
    assert (done.stdout, install.calls) == ("changed\n", 2)
    assert "attempt 1 failed" in done.stderr


def test_a_damaged_archive_is_not_installed_and_not_kept(install: Installer, tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert install().returncode != 0
    assert not install.target.exists()
    archive.write_bytes(whole)
    assert install().stdout == "changed\n"
    assert install.calls == 2
