"""Verbs about the lab: doctor, status, logs, start, stop, secrets."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import Annotated

import typer

from quintet.cli.output import AsJson, print_json, print_table, say
from quintet.errors import QuintetError
from quintet.settings import Lab, Service, load_lab

__all__ = ["register"]

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

    found = list(examine(load_lab()))
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
    """Show the services: state, process, memory used and declared, door."""
    from quintet.health.memory import tree_memory_mb
    from quintet.health.supervision import Supervisor

    lab = load_lab()
    processes = Supervisor(lab).processes()
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
    else:
        print_table(tuple(rows[0]), (tuple(row.values()) for row in rows))


def logs(
    service: Annotated[str, typer.Argument(help="Name of the service.")],
    lines: Annotated[int, typer.Option("-n", help="Lines to show.")] = 50,
    follow: Annotated[bool, typer.Option("-f", help="Go on as the log grows.")] = False,
) -> None:
    """Show the end of a service's log."""
    path = str(_service(load_lab(), service).log)
    done = subprocess.run(["tail", "-n", str(lines), *(["-F"] if follow else []), path], check=False)
    raise typer.Exit(done.returncode)


def start(names: Names = None) -> None:
    """Start services in their order."""
    from quintet.health.supervision import Supervisor

    lab = load_lab()
    supervisor = Supervisor(lab)
    states = supervisor.processes()
    for service in _chosen(lab, names):
        if states[service.name].is_running:
            say(f"{service.name} runs already")
        else:
            supervisor.start(service.name)
            say(f"{service.name} started")


def stop(names: Names = None) -> None:
    """Stop services in the reverse of their order."""
    from quintet.health.supervision import Supervisor

    lab = load_lab()
    supervisor = Supervisor(lab)
    states = supervisor.processes()
    for service in reversed(_chosen(lab, names)):
        if states[service.name].is_running or states[service.name].state == "STARTING":
            supervisor.stop(service.name)
            say(f"{service.name} stopped")
        else:
            say(f"{service.name} does not run")


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


def _service(lab: Lab, name: str) -> Service:
    for service in lab.services:
        if service.name == name:
            return service
    known = ", ".join(service.name for service in lab.services)
    raise QuintetError(f"there is no service '{name}'", remedy=f"Services: {known}")


def _chosen(lab: Lab, names: list[str] | None) -> list[Service]:
    return [_service(lab, name) for name in names] if names else list(lab.services)
