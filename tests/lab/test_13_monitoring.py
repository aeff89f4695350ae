"""Monitoring in the lab: who enters, what is measured, alerts that fire when a service stops and end with it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psutil
import pytest
from tests.lab.conftest import LabUnderTest, need, wait_until

from quintet import alerts

pytestmark = pytest.mark.lab

#: Bound of waits, in seconds: an alert holds for one to two minutes before it fires, and a busy machine is slow.
SERVICE, ALERT = 120, 420
#: Jobs of Prometheus that the profile itself brings, and those of others.
JOBS = {"prometheus", "alertmanager", "monitor", "node", "postgresql"}
JOBS_OF = {
    "search": {"redis", "search", "shop"},
    "streaming": {"kafka", "connect"},
    "lakehouse": {"trino"},
    "timeseries": {"timeseries"},
}
EXPORTERS = ("node-exporter", "postgres-exporter", "redis-exporter", "search-exporter")
OWN = ("monitor", "alertmanager", "prometheus")


@pytest.fixture(scope="module")
def lab(installed: LabUnderTest) -> LabUnderTest:
    need(installed, "monitoring", "search")
    return installed


def asked(
    lab: LabUnderTest, door: str, path: str, password: str | None = None, params: dict[str, str] | None = None
) -> httpx.Response:
    """Answer of Prometheus or Alertmanager to the administrator."""
    given = lab.lab.secret("monitoring_admin") if password is None else password
    url = lab.lab.endpoint(door).url + path
    return httpx.get(url, params=params, auth=("admin", given), timeout=30, trust_env=False)


def value(lab: LabUnderTest, query: str) -> float | None:
    """The single value of a query of Prometheus; None: there is none."""
    answer = asked(lab, "prometheus", "/api/v1/query", params={"query": query})
    found = answer.json()["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def firing(lab: LabUnderTest, name: str, **labels: str) -> bool:
    """Whether Alertmanager holds such an alert."""
    told: list[dict[str, Any]] = asked(lab, "alertmanager", "/api/v2/alerts").json()
    return any({"alertname": name, **labels}.items() <= one["labels"].items() for one in told)


def is_open(lab: LabUnderTest, name: str, detail: str) -> bool:
    """Whether the lab's alert log holds such an alert, open."""
    return any(
        told.is_open and told.alert.source.startswith(f"{name}:") and detail in told.alert.detail
        for told in alerts.read(lab.lab)
    )


def test_strangers_are_refused_by_both_pages_and_by_what_takes_alerts(lab: LabUnderTest) -> None:
    for door, path in (("prometheus", "/api/v1/rules"), ("prometheus", "/metrics"), ("alertmanager", "/api/v2/alerts")):
        plain = httpx.get(lab.lab.endpoint(door).url + path, timeout=30, trust_env=False)
        assert plain.status_code == 401, f"{door}{path}"
        assert asked(lab, door, path, password="wrong").status_code == 401
        assert asked(lab, door, path, password="").status_code == 401
        assert asked(lab, door, path).status_code == 200
    url = f"{lab.lab.endpoint('monitor').url}/alerts"
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.post(url, json={"alerts": []}, headers=headers, timeout=30, trust_env=False).status_code == 401
    silence = httpx.post(
        f"{lab.lab.endpoint('alertmanager').url}/api/v2/silences", json={}, timeout=30, trust_env=False
    )
    assert silence.status_code == 401, "nobody silences alerts without a password"


def test_the_role_of_the_exporter_reads_figures_and_nobodys_data(lab: LabUnderTest) -> None:
    door = lab.lab.endpoint("postgres")

    def psql(database: str, query: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["psql", "-XAtc", query, f"host={door.host} port={door.port} user=monitor dbname={database}"],
            env={"PGPASSWORD": lab.lab.secret("postgres_monitor"), "PATH": "/usr/bin:/bin"},
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )

    assert psql("postgres", "select count(*) >= 0 from pg_stat_activity").stdout == "t\n"
    for database in ("airflow", "lake", "shop", "lineage"):
        assert "permission denied" in psql(database, "select 1").stderr
    assert "permission denied" in psql("postgres", "create role mine").stderr


def test_doors_are_open_to_this_machine_only(lab: LabUnderTest) -> None:
    for name in (*EXPORTERS, *OWN):
        pid = lab.service_pid(name)
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        doors = [
            one for each in family for one in psutil.Process(each).net_connections("inet") if one.status == "LISTEN"
        ]
        assert {one.laddr.ip.removeprefix("::ffff:") for one in doors} == {"127.0.0.1"}, name


def test_every_target_of_the_profiles_tells_its_figures(lab: LabUnderTest) -> None:
    wanted = JOBS.union(*(jobs for profile, jobs in JOBS_OF.items() if profile in lab.lab.profiles))

    def up() -> bool:
        targets = asked(lab, "prometheus", "/api/v1/targets?state=active").json()["data"]["activeTargets"]
        return {one["labels"]["job"] for one in targets if one["health"] == "up"} == wanted

    wait_until(up, SERVICE, f"Prometheus measures {sorted(wanted)}")
    for query in (
        "pg_up",
        "redis_up",
        "elasticsearch_cluster_health_up",
        'quintet_part_ok{service="airflow-api-server"}',
        'quintet_door_open{door="search"}',
    ):
        wait_until(lambda query=query: value(lab, query) == 1, SERVICE, f"{query} is 1")
    assert (value(lab, "redis_memory_max_bytes") or 0) > 0
    assert (value(lab, "pg_settings_max_connections") or 0) > 0
    assert (value(lab, 'min(node_filesystem_avail_bytes{mountpoint="/"})') or 0) > 0
    for holder in ("authority", "search"):
        end = value(lab, f'quintet_certificate_end_timestamp_seconds{{holder="{holder}"}}') or 0.0
        assert datetime.fromtimestamp(end, UTC) > datetime.now(UTC) + timedelta(days=31)
    beat = value(lab, 'quintet_airflow_heartbeat_timestamp_seconds{part="scheduler"}') or 0.0
    assert time.time() - beat < SERVICE


@pytest.mark.parametrize(
    ("service", "name", "detail"),
    [
        ("redis", "DoorClosed", "door=redis"),
        ("airflow-scheduler", "AirflowSilent", "part=scheduler"),
        ("postgres-exporter", "NotMeasured", "service=postgres-exporter"),
    ],
)
def test_a_service_that_stops_is_told_and_closed_when_it_is_back(
    lab: LabUnderTest, service: str, name: str, detail: str
) -> None:
    key, _, label = detail.partition("=")
    assert not is_open(lab, name, detail)
    lab.supervisorctl("stop", service)
    try:
        wait_until(lambda: firing(lab, name, **{key: label}), ALERT, f"{name} is in Alertmanager")
        wait_until(lambda: is_open(lab, name, detail), SERVICE, f"{name} is in the alert log")
        (told,) = (one.alert for one in alerts.read(lab.lab) if one.is_open and one.alert.source.startswith(f"{name}:"))
        assert told.project == "platform"
        assert f"quintet logs {service}" in told.remedy
        if told.severity == "critical":
            doctor = json.loads(lab.quintet("doctor", "--json", expect=None).stdout)["checks"]
            (check,) = (check for check in doctor if check["name"] == "alerts")
            assert not check["ok"]
    finally:
        lab.supervisorctl("start", service)
    wait_until(lambda: not is_open(lab, name, detail), ALERT, f"{name} is closed in the alert log")
    assert not firing(lab, name, **{key: label})


def test_what_is_told_is_told_once(lab: LabUnderTest) -> None:
    lines = [one for one in lab.alerts() if "cleared" not in one and one["source"].startswith("DoorClosed:")]
    assert len({(one["source"], one["run_id"]) for one in lines}) == len(lines) > 0


def test_the_services_are_in_the_doctors_report_and_keep_to_their_memory(lab: LabUnderTest) -> None:
    told = {check["name"]: check for check in json.loads(lab.quintet("doctor", "--json", expect=None).stdout)["checks"]}
    for name in (*(f"{service} runs" for service in (*EXPORTERS, *OWN)), "prometheus answers", "monitor answers"):
        assert told[name]["ok"], told[name]
    assert told["figures are told"]["ok"], told["figures are told"]
    services = json.loads(lab.quintet("status", "--json").stdout)["services"]
    used = {row["name"]: row for row in services if row["name"] in {*EXPORTERS, *OWN}}
    assert len(used) == len(EXPORTERS) + len(OWN)
    assert [row for row in used.values() if not 0 < row["memory_mb"] <= row["declared_mb"]] == []


def test_no_log_and_no_command_line_holds_a_password(lab: LabUnderTest) -> None:
    names = ("monitoring_admin", "monitoring_quintet", "monitoring_receiver", "postgres_monitor", "redis_monitor")
    secrets = [lab.lab.secret(name) for name in names]
    told = [path.read_text(encoding="utf-8", errors="replace") for path in lab.lab.path("logs").glob("*.log*")]
    told += [" ".join(process.cmdline()) for process in lab.processes()]
    assert len(told) > len(OWN)
    assert not any(secret in text for secret in secrets for text in told)
    assert (lab.lab.path("config") / "monitoring" / "web.yml").stat().st_mode & 0o777 == 0o600


def test_the_next_play_changes_nothing(lab: LabUnderTest) -> None:
    recap = lab.playbook("site.yml")
    assert re.search(r"changed=0 +unreachable=0 +failed=0", recap), recap[-3000:]
