"""Verbs about the lab: doctor, status, logs, start, stop, secrets."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from quintet.cli.output import AsJson, print_json, print_table, say
from quintet.errors import QuintetError
from quintet.settings import Lab, Service, load_lab

if TYPE_CHECKING:
    from quintet.health.checks import Check
    from quintet.health.supervision import ServiceManager

__all__ = ["register", "show_health"]

Names = Annotated[list[str] | None, typer.Argument(help="Services; all when none is named.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (doctor, status, logs, start, stop):
        app.command()(verb)
    secrets = typer.Typer(help="Show generated passwords.", no_args_is_help=True)
    secrets.command("show")(show_secret)
    app.add_typer(secrets, name="secrets")


def doctor(as_json: AsJson = False) -> None:
    """Say what is up, what is wrong and what to do about it."""
    from quintet.health.checks import examine

    show_health(examine(load_lab()), as_json=as_json)


def show_health(checks: Iterable[Check], *, as_json: bool) -> None:
    """Print what checks saw. Ends the command with 1 when something is wrong."""
    found = list(checks)
    if as_json:
        print_json({"checks": [dataclasses.asdict(check) for check in found]})
    else:
        print_table(
            ("", "check", "seen", "what to do"),
            ((("ok" if check.ok else "WRONG"), check.name, check.detail, check.remedy) for check in found),
        )
    if not all(check.ok for check in found):
        raise typer.Exit(1)


def status(as_json: AsJson = False) -> None:
    """Show the services: state, process, uptime in seconds, memory used and declared in MB, door."""
    from quintet.health.memory import tree_memory_mb
    from quintet.health.supervision import service_manager

    lab = load_lab()
    processes = service_manager(lab).processes()
    rows = []
    for service in lab.services:
        process = processes.get(service.name)
        rows.append(
            {
                "name": service.name,
                "state": process.state if process else "ABSENT",
                "pid": process.pid if process else 0,
                "uptime_s": process.uptime_s if process else 0,
                "memory_mb": tree_memory_mb([process.pid]) if process and process.pid else 0,
                "declared_mb": service.memory_mb,
                "endpoint": lab.endpoint(service.endpoint).url if service.endpoint else None,
            }
        )
    if as_json:
        print_json({"services": rows})
    elif rows:
        print_table(tuple(rows[0]), (tuple(row.values()) for row in rows))
    else:
        say("the lab has no services")


def logs(
    service: Annotated[str, typer.Argument(help="Name of the service.")],
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="Lines to show.")] = 50,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as the log grows.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the end of a service's log."""
    if follow and as_json:
        raise typer.BadParameter("a log that goes on has no end to print as JSON", param_hint="--follow")
    path = _service(load_lab(), service).log
    if not path.exists() and not follow:
        raise QuintetError(f"{service} has written no log at {path}", remedy="Does it run? quintet status")
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(path)]
    if not as_json:
        raise typer.Exit(subprocess.run(command, check=False).returncode)
    done = subprocess.run(command, check=True, capture_output=True)
    shown = done.stdout.decode(errors="replace").splitlines()
    print_json({"service": service, "log": str(path), "lines": shown})


def start(names: Names = None, as_json: AsJson = False) -> None:
    """Start services in their order."""
    from quintet.health.supervision import service_manager

    lab = load_lab()
    chosen = _chosen(lab, names)
    manager = service_manager(lab)
    _change(chosen, manager, manager.start, "started", as_json=as_json)


def stop(names: Names = None, as_json: AsJson = False) -> None:
    """Stop services in the reverse of their order."""
    from quintet.health.supervision import service_manager

    lab = load_lab()
    chosen = _chosen(lab, names)
    manager = service_manager(lab)
    _change(chosen[::-1], manager, manager.stop, "stopped", as_json=as_json)


def show_secret(
    what: Annotated[str, typer.Argument(help="airflow, or the name of a secret.")], as_json: AsJson = False
) -> None:
    """Show the passwords of Airflow's users, or one secret by name."""
    lab = load_lab()
    names = ["airflow_admin", "airflow_viewer"] if what == "airflow" else [what]
    shown = {name: lab.secret(name) for name in names}
    if as_json:
        print_json(shown)
    else:
        print_table(("secret", "value"), shown.items())


#: States of a program that is up, or on its way.
UP = frozenset({"RUNNING", "STARTING", "BACKOFF"})


def _change(
    services: list[Service], manager: ServiceManager, act: Callable[[str], None], done: str, *, as_json: bool
) -> None:
    """Start or stop the services that are not so already."""
    states = manager.processes()
    told = []
    for service in services:
        process = states.get(service.name)
        is_up = process is not None and process.state in UP
        is_due = is_up == (done == "stopped")
        if is_due:
            act(service.name)
        told.append({"name": service.name, "changed": is_due})
        if not as_json:
            say(f"{service.name} {done}" if is_due else f"{service.name} was {done} already")
    if as_json:
        print_json({"services": told})


def _service(lab: Lab, name: str) -> Service:
    for service in lab.services:
        if service.name == name:
            return service
    known = ", ".join(service.name for service in lab.services)
    raise QuintetError(f"there is no service '{name}'", remedy=f"Services: {known}")


def _chosen(lab: Lab, names: list[str] | None) -> list[Service]:
    return [_service(lab, name) for name in names] if names else list(lab.services)
