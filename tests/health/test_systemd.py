"""Services under systemd, through a `systemctl` of the test's own that answers as the real one does."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from labs import lab_below
from quintet.errors import LabError
from quintet.health.supervision import Supervisor, Systemd, service_manager
from quintet.settings import Lab

NAMES = ("postgres", "trino", "airflow-scheduler", "spark-history", "airflow-triggerer")
#: Prints `answer` for `show`, the text of `refusal` and fails for everything else when that file is there.
SYSTEMCTL = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/calls"
case "$*" in
  *" show "*) cat "$here/answer" ;;
  *) if [ -f "$here/refusal" ]; then cat "$here/refusal" >&2; exit 1; fi ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the fake, first on the PATH: `answer` and `refusal` are read, `calls` is written."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text(SYSTEMCTL, encoding="utf-8")
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    services = [{"name": name, "order": order, "memory_mb": 1} for order, name in enumerate(NAMES)]
    lab = lab_below(tmp_path / "lab", services=services)
    return replace(lab, service_manager="systemd", options={**lab.options, "unit_prefix": "shop"})


def block(name: str, active: str, sub: str, pid: int = 0, *, result: str = "success", since: float = 0.0) -> str:
    entered = round((time.clock_gettime(time.CLOCK_MONOTONIC) - since) * 1e6) if since else 0
    return (
        f"Result={result}\nMainPID={pid}\nId=shop-{name}.service\nLoadState=loaded\nActiveState={active}\n"
        f"SubState={sub}\nActiveEnterTimestampMonotonic={entered}\n"
    )


def answer(folder: Path, *blocks: str) -> None:
    (folder / "answer").write_text("\n".join(blocks), encoding="utf-8")


def calls(folder: Path) -> list[str]:
    return [
        line.removeprefix("--no-ask-password ") for line in (folder / "calls").read_text(encoding="utf-8").splitlines()
    ]


def test_the_lab_file_decides_who_is_asked(lab: Lab) -> None:
    assert isinstance(service_manager(lab), Systemd)
    assert isinstance(service_manager(replace(lab, service_manager="supervisor")), Supervisor)


def test_states_are_told_in_the_words_of_supervisor(lab: Lab, folder: Path) -> None:
    answer(
        folder,
        block("postgres", "active", "running", 71, since=100),
        block("trino", "activating", "auto-restart", result="exit-code"),
        block("airflow-scheduler", "failed", "failed", result="exit-code"),
        block("spark-history", "inactive", "dead"),
        "Id=shop-airflow-triggerer.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nMainPID=0\n",
    )
    found = service_manager(lab).processes()
    assert {name: process.state for name, process in found.items()} == {
        "postgres": "RUNNING",
        "trino": "BACKOFF",
        "airflow-scheduler": "FATAL",
        "spark-history": "STOPPED",
    }
    assert found["postgres"].is_running
    assert found["postgres"].pid == 71
    assert 99 <= found["postgres"].uptime_s <= 110
    assert found["spark-history"].uptime_s == 0
    assert found["airflow-scheduler"].detail == "failed (failed): exit-code"
    assert calls(folder)[0].split()[2:] == [f"shop-{name}.service" for name in NAMES]


def test_a_failed_service_is_forgiven_before_it_is_started(lab: Lab, folder: Path) -> None:
    answer(folder, block("trino", "failed", "failed", result="exit-code"), block("postgres", "inactive", "dead"))
    service_manager(lab).start("trino")
    assert calls(folder)[1:] == ["reset-failed shop-trino.service", "start shop-trino.service"]
    service_manager(lab).start("postgres")
    assert calls(folder)[-1] == "start shop-postgres.service"
    assert "reset-failed shop-postgres.service" not in calls(folder)


def test_a_refusal_names_the_unit_and_says_who_may(lab: Lab, folder: Path) -> None:
    (folder / "refusal").write_text("Access denied", encoding="utf-8")
    with pytest.raises(LabError, match=r"stop shop-trino\.service: Access denied\. Run as root"):
        service_manager(lab).stop("trino")


def test_without_systemctl_the_message_says_so(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match="systemctl is not on this machine"):
        service_manager(lab).processes()
