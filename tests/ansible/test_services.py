"""Services under systemd: the unit of an example service, the target, the log rotation; and the way back."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plays import ANSIBLE, Play, player

EXAMPLE: dict[str, Any] = {
    "service_manager": "systemd",
    "service_name": "airflow-scheduler",
    "service_user": getpass.getuser(),
    "service_command": ["/bin/echo", "it's up"],
    "service_variables": {"GREETING": "good day"},
    "service_stop_signal": "INT",
    "unit_prefix": "quintet",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of the example's lab."""
    return tmp_path_factory.mktemp("systemd") / "home"


@pytest.fixture(scope="module")
def units(home: Path) -> Path:
    """Folder with the unit and the target of the example, rendered by the roles' own templates as its launcher is."""
    folder = home.with_name("units")
    folder.mkdir()
    (home / "config" / "services").mkdir(parents=True)
    wanted = {
        "service/templates/run.sh.j2": home / "config" / "services" / "airflow-scheduler.sh",
        "service/templates/unit.service.j2": folder / "quintet-airflow-scheduler.service",
        "supervision/templates/lab.target.j2": folder / "quintet.target",
        "supervision/templates/logrotate.j2": folder / "logrotate",
    }
    tasks: list[dict[str, Any]] = [
        {"name": "Take the role's values", "ansible.builtin.include_vars": str(ANSIBLE / "roles/service" / part)}
        for part in ("defaults/main.yml", "vars/main.yml")
    ]
    tasks += [
        {
            "name": f"Render {target.name}",
            "ansible.builtin.template": {
                "src": str(ANSIBLE / "roles" / source),
                "dest": str(target),
                "mode": "0755" if target.suffix == ".sh" else "0644",
            },
        }
        for source, target in wanted.items()
    ]
    done = player(home.with_name("play"), home)(tasks, **EXAMPLE)
    assert done.returncode == 0, done.stdout
    return folder


def lines(units: Path) -> list[str]:
    return (units / "quintet-airflow-scheduler.service").read_text(encoding="utf-8").splitlines()


def test_the_unit_says_what_is_run_by_whom_and_how_it_ends(units: Path, home: Path) -> None:
    wanted = {
        f"ExecStart={home}/config/services/airflow-scheduler.sh",
        f"User={getpass.getuser()}",
        f"WorkingDirectory={home}",
        f'Environment="QUINTET_HOME={home}"',
        "Restart=always",
        "KillSignal=SIGINT",
        "KillMode=mixed",
        "TimeoutStopSec=30",
        "LimitNOFILE=8192",
        "NoNewPrivileges=true",
        "PartOf=quintet.target",
        "WantedBy=quintet.target",
    }
    assert wanted - set(lines(units)) == set()


def test_the_unit_starts_after_and_stops_before_what_it_needs(units: Path) -> None:
    (after,) = [line for line in lines(units) if line.startswith("After=")]
    assert after == (
        "After=network.target quintet-etcd.service quintet-proxy.service quintet-postgres.service "
        "quintet-trino.service quintet-spark-master.service quintet-spark-worker.service "
        "quintet-airflow-api-server.service quintet-airflow-dag-processor.service"
    )


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not on this machine")
def test_systemd_accepts_the_unit_and_the_target(units: Path) -> None:
    files = [units / "quintet-airflow-scheduler.service", units / "quintet.target"]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], text=True, capture_output=True, check=False, timeout=60
    )
    about = [line for line in done.stderr.splitlines() if "quintet" in line]
    assert (done.returncode, about) == (0, [])


def test_the_launcher_gives_environment_and_log(units: Path, home: Path) -> None:
    (home / "logs").mkdir()
    launcher = home / "config" / "services" / "airflow-scheduler.sh"
    assert "export GREETING='good day'" in launcher.read_text(encoding="utf-8")
    subprocess.run([launcher], check=True, timeout=20)
    log = home / "logs" / "airflow-scheduler.log"
    assert log.read_text(encoding="utf-8") == "it's up\n"
    assert f"{home}/logs/*.log {{" in (units / "logrotate").read_text(encoding="utf-8")


def playbook(name: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("ansible-playbook")
    return subprocess.run(
        [program, f"playbooks/{name}.yml", "-e", "command_link=", *arguments],
        cwd=ANSIBLE,
        env={
            **os.environ,
            "QUINTET_HOME": str(home),
            "ANSIBLE_LOCAL_TEMP": str(home.parent / "local"),
            "ANSIBLE_REMOTE_TEMP": str(home.parent / "remote"),
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )


def test_stopping_a_lab_that_does_not_run_changes_nothing(tmp_path: Path) -> None:
    done = playbook("stop", tmp_path / "home")
    assert done.returncode == 0, done.stdout
    assert f"the lab in {tmp_path / 'home'}: not running" in done.stdout
    assert "changed=0" in done.stdout


def test_destroying_leaves_the_backups(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for folder in ("app", "backups", "config", "data", "envs", "logs", "programs", "run"):
        (home / folder).mkdir(parents=True)
    done = playbook("destroy", home, "-e", "force=true")
    assert done.returncode == 0, done.stdout
    assert [path.name for path in home.iterdir()] == ["backups"]


def test_the_lab_file_names_what_keeps_the_services_alive(play: Play, tmp_path: Path) -> None:
    target = tmp_path / "lab.yaml"
    tasks = [
        {
            "name": "Render",
            "ansible.builtin.template": {
                "src": str(ANSIBLE / "roles/lab/templates/lab.yaml.j2"),
                "dest": str(target),
                "mode": "0644",
            },
        }
    ]
    given = {"programs_java_home_spark": "/", "programs_environments": {"lakehouse": ["spark"]}}
    done = play(tasks, **given, service_manager="systemd")
    assert done.returncode == 0, done.stdout
    text = target.read_text(encoding="utf-8")
    assert "service_manager: systemd\n" in text
    assert "  unit_prefix: quintet-" in text
