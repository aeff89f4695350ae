"""Standing the lab up: what is there, who may do what, and that a second run changes nothing."""

from __future__ import annotations

import json
import re
import socket
import stat
from pathlib import Path

import httpx
import psutil
import pytest
from tests.lab.conftest import ROOT, LabUnderTest

pytestmark = pytest.mark.lab


def test_doctor_finds_nothing_wrong(installed: LabUnderTest) -> None:
    report = json.loads(installed.quintet("doctor", "--json").stdout)
    assert [check for check in report["checks"] if not check["ok"]] == []


def test_a_second_run_changes_nothing_and_restarts_nothing(installed: LabUnderTest) -> None:
    before = installed.service_pids()
    output = installed.playbook("site.yml")
    changed = re.findall(r"TASK \[(.*?)\] \*+\n(?:included.*\n)?changed:", output)
    assert re.search(r"changed=0 +unreachable=0 +failed=0", output), changed or output[-3000:]
    assert installed.service_pids() == before


def test_everything_listens_on_loopback_only(installed: LabUnderTest) -> None:
    pids = set()
    for pid in installed.service_pids().values():
        parent = psutil.Process(pid)
        pids |= {parent.pid, *(child.pid for child in parent.children(recursive=True))}
    open_doors = [
        (connection.laddr.ip, connection.laddr.port)
        for connection in psutil.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN and connection.pid in pids
    ]
    assert open_doors
    assert [door for door in open_doors if door[0] not in {"127.0.0.1", "::1", "::ffff:127.0.0.1"}] == []


def test_secrets_are_generated_and_closed_to_others(installed: LabUnderTest) -> None:
    path = installed.lab.file.with_name("secrets.yaml")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    passwords = [installed.lab.secret(name) for name in ("airflow_admin", "airflow_viewer", "postgres_lake")]
    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) >= 20


def test_no_secret_stands_in_a_log(installed: LabUnderTest) -> None:
    lab = installed.lab
    secrets = [lab.secret(name).encode() for name in ("airflow_admin", "airflow_viewer", "postgres_lake")]
    logs = [path for path in lab.path("logs").rglob("*") if path.is_file()]
    assert logs
    told = [str(path) for path in logs if any(secret in path.read_bytes() for secret in secrets)]
    assert told == []


def token(lab: LabUnderTest, user: str, password: str) -> httpx.Response:
    url = lab.lab.endpoint("airflow").url
    return httpx.post(f"{url}/auth/token", json={"username": user, "password": password}, timeout=30)


def test_a_wrong_password_is_refused_by_airflow(installed: LabUnderTest) -> None:
    assert token(installed, "admin", "wrong").status_code == 401
    assert token(installed, "admin", installed.lab.secret("airflow_admin")).status_code in {200, 201}


def test_a_viewer_may_look_but_not_run(installed: LabUnderTest) -> None:
    bearer = token(installed, "viewer", installed.lab.secret("airflow_viewer")).json()["access_token"]
    headers = {"Authorization": f"Bearer {bearer}"}
    base = f"{installed.lab.endpoint('airflow').url}/api/v2/dags"
    assert httpx.get(base, headers=headers, timeout=30).status_code == 200
    run = httpx.post(f"{base}/lakehouse_care_tables/dagRuns", headers=headers, json={"logical_date": None}, timeout=30)
    assert run.status_code == 403


def test_the_lab_page_asks_for_a_login(installed: LabUnderTest) -> None:
    url = installed.lab.endpoint("airflow").url
    assert httpx.get(f"{url}/lab/", timeout=30).status_code in {302, 307, 401, 403}
    bearer = token(installed, "viewer", installed.lab.secret("airflow_viewer")).json()["access_token"]
    page = httpx.get(f"{url}/lab/", headers={"Authorization": f"Bearer {bearer}"}, timeout=30)
    assert page.status_code == 200
    assert "lakehouse" in page.text


def test_trino_refuses_to_write_bronze(installed: LabUnderTest) -> None:
    refused = installed.quintet("sql", "delete from delta.bronze_lakehouse.invoice_lines", expect=None)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr


def test_a_busy_port_is_named_before_anything_is_changed(installed: LabUnderTest, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        other = LabUnderTest(tmp_path / "other", 0)
        with pytest.raises(AssertionError) as failure:
            other.playbook("site.yml", "-e", json.dumps({"ports": {**ports(), "trino": port}}))
    assert str(port) in str(failure.value)
    assert not (tmp_path / "other" / "programs").exists()


def ports() -> dict[str, int]:
    """Free ports for a lab that is refused before it uses them."""
    found = {}
    for name in re.findall(r"^  (\w+): ", (ROOT / "ansible/group_vars/all/ports.yml").read_text(), re.MULTILINE):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            found[name] = probe.getsockname()[1]
    return found
