"""What the page shows, asked within a bounded time: a service that hangs is shown as such, the page still comes."""

from __future__ import annotations

import socket
import time
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import psutil

from quintet import alerts
from quintet.airflow.lab_page.streams import StreamRow, look_at_streams
from quintet.alerts import Told
from quintet.catalogue import PROJECTS, Layer, Pii, Table, tables
from quintet.errors import QuintetError
from quintet.health.memory import tree_memory_mb
from quintet.health.supervision import Process, service_manager
from quintet.runs import record
from quintet.settings import Lab, Service
from quintet.urldoor import ask

__all__ = ["DagState", "LabState", "ProjectState", "RunLookup", "ServiceState", "TableRow", "look"]

T = TypeVar("T")

#: Seconds for the question to one service, and for all of them together.
ONE_ANSWER = 1.5
ALL_ANSWERS = 3.0
#: Alerts on the page.
ALERTS = 12

Health = Literal["up", "down", "slow", "unknown"]


@dataclass(frozen=True)
class ServiceState:
    """One service; `memory_mb` is None where it cannot be told."""

    service: Service
    health: Health
    detail: str
    milliseconds: int | None = None
    memory_mb: int | None = None
    uptime_s: int | None = None

    @property
    def share(self) -> int:
        """Percent of the declared memory, at most 100."""
        return min(100, round(100 * (self.memory_mb or 0) / self.service.memory_mb))


@dataclass(frozen=True)
class DagState:
    """Last run of one DAG; `state` is None when it has never run."""

    dag_id: str
    description: str
    run_id: str | None = None
    state: str | None = None
    began: datetime | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class ProjectState:
    """One project; `verified` is None when `quintet verify` has not run."""

    slug: str
    title: str
    question: str
    dags: Sequence[DagState]
    verified: bool | None
    verify_text: str


@dataclass(frozen=True)
class TableRow:
    """One table of the catalogue; personal data in gold is declared with the models."""

    name: str
    layer: str
    writer: str
    owner: str
    pii: str
    description: str


@dataclass(frozen=True)
class LabState:
    """All of it, at one moment."""

    name: str
    at: datetime
    profiles: Sequence[str]
    services: Sequence[ServiceState]
    projects: Sequence[ProjectState]
    alerts: Sequence[Told]
    tables: Sequence[TableRow]
    streams: list[StreamRow]
    links: Mapping[str, str]
    memory_mb: int | None
    machine_mb: int
    free_mb: int

    @property
    def up(self) -> int:
        """Services that answer."""
        return sum(1 for entry in self.services if entry.health == "up")

    @property
    def open_alerts(self) -> int:
        """Alerts that nothing has cleared."""
        return sum(1 for told in self.alerts if told.is_open)


#: Finds the last run of each DAG id; the page asks Airflow's database, tests give a table.
RunLookup = Callable[[Sequence[str]], Mapping[str, DagState]]


def look(lab: Lab, runs: RunLookup, airflow_health: Callable[[], Mapping[str, Any]]) -> LabState:
    """Ask everything at once."""
    pool = ThreadPoolExecutor(max_workers=len(lab.services) + 5, thread_name_prefix="lab-page")
    try:
        doors = {service.name: pool.submit(_door, lab, service) for service in lab.services if service.endpoint}
        health = pool.submit(airflow_health)
        processes = pool.submit(_processes, lab)
        streams = pool.submit(look_at_streams, lab, timeout=ONE_ANSWER)
        found = pool.submit(runs, [dag.dag_id for project in PROJECTS for dag in project.dags])
        questions: list[Future[Any]] = [*doors.values(), health, processes, streams, found]
        wait(questions, timeout=ALL_ANSWERS)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    services = _services(lab, doors, _done(health, {}), _done(processes, {}))
    known = [entry.memory_mb for entry in services if entry.memory_mb is not None]
    memory = psutil.virtual_memory()
    return LabState(
        name=lab.name,
        at=datetime.now(UTC),
        profiles=lab.profiles,
        services=services,
        projects=_projects(lab, _done(found, {})),
        alerts=sorted(alerts.read(lab), key=lambda told: (told.is_open, told.alert.at), reverse=True)[:ALERTS],
        tables=[_row(table) for table in tables()],
        streams=_done(streams, []),
        links=_links(lab),
        memory_mb=sum(known) if known else None,
        machine_mb=memory.total // 1024**2,
        free_mb=memory.available // 1024**2,
    )


def _done(future: Future[T], otherwise: T) -> T:
    """Result of a question that was answered in time and without an error, else `otherwise`."""
    answered = future.done() and not future.cancelled() and future.exception() is None
    return future.result() if answered else otherwise


def _door(lab: Lab, service: Service) -> tuple[Health, str, int]:
    """Whether the door of a service answers, what it said, milliseconds."""
    door = lab.endpoint(service.endpoint or "")
    begun = time.monotonic()
    try:
        if service.health is None:
            with socket.create_connection((door.host, door.port), timeout=ONE_ANSWER):
                said = "accepts connections"
        else:
            status, _ = ask(door.url + service.health, timeout=ONE_ANSWER)
            said = f"answers {status}"
    except urllib.error.HTTPError as error:
        return "down", f"answers {error.code}", _since(begun)
    except TimeoutError:
        return "slow", f"no answer within {ONE_ANSWER} s", _since(begun)
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            return "slow", f"no answer within {ONE_ANSWER} s", _since(begun)
        return "down", getattr(reason, "strerror", None) or str(reason), _since(begun)
    return "up", said, _since(begun)


def _since(begun: float) -> int:
    return round(1000 * (time.monotonic() - begun))


def _processes(lab: Lab) -> Mapping[str, tuple[Process, int | None]]:
    """Processes of the services with their memory; empty where the process manager is closed to us."""
    try:
        found = service_manager(lab).processes()
    except QuintetError:
        return {}
    return {name: (process, tree_memory_mb([process.pid]) if process.pid else None) for name, process in found.items()}


def _services(
    lab: Lab,
    doors: Mapping[str, Future[tuple[Health, str, int]]],
    airflow_health: Mapping[str, Any],
    processes: Mapping[str, tuple[Process, int | None]],
) -> list[ServiceState]:
    states = []
    for service in lab.services:
        process, memory = processes.get(service.name, (None, None))
        milliseconds: int | None = None
        health: Health
        if service.name in doors:
            late: tuple[Health, str, int] = ("slow", f"no answer within {ALL_ANSWERS} s", round(1000 * ALL_ANSWERS))
            health, detail, milliseconds = _done(doors[service.name], late)
        else:
            health, detail = _without_door(service, airflow_health, process)
        states.append(
            ServiceState(service, health, detail, milliseconds, memory, process.uptime_s if process else None)
        )
    return states


def _without_door(service: Service, airflow_health: Mapping[str, Any], process: Process | None) -> tuple[Health, str]:
    """Airflow's own parts tell by heartbeat; of others the process manager knows whether they run."""
    part = airflow_health.get(service.name.removeprefix("airflow-").replace("-", "_"))
    if part:
        return ("up", "heartbeat") if part.get("status") == "healthy" else ("down", "no recent heartbeat")
    if process is None:
        return "unknown", "the process manager does not tell"
    return ("up", "runs") if process.is_running else ("down", process.detail or process.state.lower())


def _projects(lab: Lab, runs: Mapping[str, DagState]) -> list[ProjectState]:
    states = []
    for project in PROJECTS:
        verified, text = _verdict(lab, project.slug)
        dags = [runs.get(dag.dag_id) or DagState(dag.dag_id, dag.description) for dag in project.dags]
        states.append(ProjectState(project.slug, project.title, project.question, dags, verified, text))
    return states


def _verdict(lab: Lab, slug: str) -> tuple[bool | None, str]:
    try:
        found = record.read(lab, slug, "last_verify")
    except (OSError, ValueError):
        return None, "the record of the last proof cannot be read"
    if not found:
        return None, f"not proven yet: quintet verify {slug}"
    checks = found.get("checks") or []
    good = sum(1 for check in checks if check.get("ok"))
    is_proven = bool(found.get("ok", bool(checks) and good == len(checks)))
    at = str(found.get("at", ""))[:16].replace("T", " ")
    return is_proven, f"{good} of {len(checks)} checks hold" + (f", {at}" if at else "")


def _row(table: Table) -> TableRow:
    pii = "see its dbt page" if table.layer is Layer.GOLD and table.pii is Pii.NONE else table.pii.value
    return TableRow(table.full_name, table.layer.value, table.writer.value, table.owner, pii, table.description)


def _links(lab: Lab) -> dict[str, str]:
    """Pages of the lab by name; those of the lab's own documentation are served beside this page."""
    links = {"dbt documentation": "dbt-docs/", "Quality reports (Data Docs)": "data-docs/"}
    if "trino" in lab.endpoints:
        links["Trino"] = f"{lab.endpoint('trino').url}/ui/"
    if "spark_history" in lab.endpoints:
        links["Spark history"] = lab.endpoint("spark_history").url
    if "flink" in lab.endpoints:
        links["Flink"] = lab.endpoint("flink").url
    if "shop" in lab.endpoints:
        links["Product search"] = lab.endpoint("shop").url
    if "timeseries" in lab.endpoints:
        links["Time-series database"] = lab.endpoint("timeseries").url
    if "superset" in lab.endpoints:
        links["Dashboards"] = f"{lab.endpoint('superset').url}/dashboard/list/"
    if "prometheus" in lab.endpoints:
        links["Prometheus"] = f"{lab.endpoint('prometheus').url}/classic/alerts"
    return links
