"""What `quintet doctor` asks: each check says what it saw and, when it is wrong, what to do."""

from __future__ import annotations

import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from quintet import alerts
from quintet.backups.repository import FILE
from quintet.errors import QuintetError
from quintet.health.backups import ask_archive, ask_backups
from quintet.health.captures import ask_captures
from quintet.health.sentinels import ask_sentinels
from quintet.health.stores import ask_prometheus, ask_redis, ask_search, ask_superset
from quintet.health.supervision import service_manager
from quintet.lake.trino import connect, query
from quintet.settings import Lab, Service

__all__ = ["Check", "examine", "examine_airflow", "examine_services", "used"]

#: Seconds for one question to a service.
TIMEOUT = 10.0
#: Disk below this many MB is a warning that the next run may not survive.
DISK_FLOOR_MB = 2000


@dataclass(frozen=True)
class Check:
    """One answer."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def examine(lab: Lab) -> Iterator[Check]:
    """Check secrets, disk, open alerts, processes, doors and the engines by using them."""
    yield _secrets(lab)
    yield _disk(lab)
    yield _alerts(lab)
    try:
        yield from examine_services(lab)
    except QuintetError as error:
        yield Check(lab.service_manager, False, error.message, error.remedy)
        return
    # A lab of an older release has no backups until it is installed anew, and of several nodes those with a server do.
    if (lab.path("config") / FILE).exists():
        yield used("log is archived", ask_archive, lab)
        yield used("backups are young", ask_backups, lab)
    if "trino" in lab.endpoints:
        yield _trino(lab)
    for name, ask in (("search", ask_search), ("redis", ask_redis)):
        if name in lab.endpoints:
            yield used(f"{name} lets its user in", ask, lab)
    if "sentinels" in lab.options.get("redis", {}):
        yield used("redis can lose a server", ask_sentinels, lab)
    if "connect" in lab.endpoints:
        yield used("changes are captured", ask_captures, lab)
    if "prometheus" in lab.endpoints:
        yield used("figures are told", ask_prometheus, lab)
    if "superset" in lab.endpoints:
        yield used("dashboards are shown", ask_superset, lab)
    yield from examine_airflow(lab)


def examine_services(lab: Lab, *, settled_s: int = 0) -> Iterator[Check]:
    """Processes of this machine and their doors.

    Args:
        lab: the lab.
        settled_s: seconds that a process must have run; one that ends again and again runs most of the time, too.

    Raises:
        QuintetError: what keeps the services alive does not answer.

    """
    processes = service_manager(lab).processes()
    for service in lab.services:
        process = processes.get(service.name)
        running = process is not None and process.is_running
        detail = process.detail if process else f"unknown to {lab.service_manager}"
        if process and running and process.uptime_s < settled_s:
            running, detail = False, f"runs for {process.uptime_s} s only"
        yield Check(f"{service.name} runs", running, detail, "" if running else _restart(service))
        if running and service.endpoint:
            yield _door(lab, service)


def used(name: str, ask: Callable[[Lab, float], str], lab: Lab) -> Check:
    """What came of a question: its answer, or the error that it raised."""
    try:
        return Check(name, True, ask(lab, TIMEOUT))
    except QuintetError as error:
        return Check(name, False, error.message, error.remedy)


def _restart(service: Service) -> str:
    return f"Read: quintet logs {service.name}; then: quintet start {service.name}"


def _secrets(lab: Lab) -> Check:
    path = lab.file.with_name("secrets.yaml")
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return Check("secrets", False, f"{path}: {error.strerror}", "Run: make install")
    return Check("secrets", mode == 0o600, f"{path} has mode {mode:04o}", "" if mode == 0o600 else f"chmod 600 {path}")


def _disk(lab: Lab) -> Check:
    free = shutil.disk_usage(lab.path("home")).free // 1024**2
    ok = free >= DISK_FLOOR_MB
    return Check("disk", ok, f"{free} MB free below {lab.path('home')}", "" if ok else "Make room before the next run")


def _door(lab: Lab, service: Service) -> Check:
    endpoint = lab.endpoint(service.endpoint or "")
    name = f"{service.name} answers"
    try:
        if service.health is None:
            with socket.create_connection((endpoint.host, endpoint.port), timeout=TIMEOUT):
                return Check(name, True, f"{endpoint.host}:{endpoint.port}")
        answer = httpx.get(endpoint.url + service.health, timeout=TIMEOUT, trust_env=False)
    except (OSError, httpx.HTTPError) as error:
        return Check(name, False, f"{endpoint.url}: {error}", _restart(service))
    ok = answer.status_code == httpx.codes.OK
    return Check(name, ok, f"{endpoint.url}{service.health}: {answer.status_code}", "" if ok else _restart(service))


def _trino(lab: Lab) -> Check:
    try:
        count = query(connect(lab), "select count(*) from delta.bronze_lakehouse.invoice_lines")[0][0]
    except QuintetError as error:
        return Check("trino reads the lake", False, error.message, "Read: quintet logs trino")
    return Check("trino reads the lake", True, f"{count} bronze lines")


def examine_airflow(lab: Lab) -> Iterator[Check]:
    """Airflow's own word about its parts."""
    try:
        health = _airflow_health(lab)
    except (httpx.HTTPError, ValueError) as error:
        yield Check("airflow is healthy", False, str(error), "Read: quintet logs airflow-api-server")
        return
    for part in ("metadatabase", "scheduler", "dag_processor", "triggerer"):
        state = (health.get(part) or {}).get("status")
        service = "postgres" if part == "metadatabase" else f"airflow-{part.replace('_', '-')}"
        ok = state == "healthy"
        yield Check(f"airflow {part}", ok, str(state or "unknown"), "" if ok else f"Read: quintet logs {service}")


def _airflow_health(lab: Lab) -> dict[str, Any]:
    url = f"{lab.endpoint('airflow').url}/api/v2/monitor/health"
    answer = httpx.get(url, timeout=TIMEOUT, trust_env=False)
    try:
        found = answer.json()
    except ValueError:
        found = None
    if answer.is_error or not isinstance(found, dict):
        raise ValueError(f"{url}: {answer.status_code}, not an answer of Airflow")
    return found


def _alerts(lab: Lab) -> Check:
    still = [told.alert for told in alerts.read(lab) if told.is_open]
    critical = [alert for alert in still if alert.severity == "critical"]
    if not still:
        return Check("alerts", True, "none is open")
    last = (critical or still)[-1]
    detail = f"{len(still)} open, {len(critical)} of them critical; the last: {last.project}: {last.title}"
    return Check("alerts", not critical, detail, last.remedy)
