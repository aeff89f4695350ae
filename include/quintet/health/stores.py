"""Doors that want more than a connection: search behind TLS; Redis, Prometheus and Superset behind a user."""

from __future__ import annotations

import socket
import ssl

import httpx

from quintet.dashboards.publish import shown
from quintet.dashboards.server import VIEWER, enter
from quintet.errors import QuintetError
from quintet.settings import Lab

__all__ = ["ask_prometheus", "ask_redis", "ask_search", "ask_search_copies", "ask_superset"]

#: Colours of a cluster that answers everything; yellow lacks copies only.
USABLE = frozenset({"green", "yellow"})
#: Longest line of Redis' answer to a greeting, in bytes.
LINE = 512


def ask_search(lab: Lab, timeout: float) -> str:
    """Say how the search cluster is, as the user who searches.

    Raises:
        QuintetError: it does not answer, lets the user not in, or lacks shards.

    """
    colour, nodes = _search(lab, timeout)
    said = f"{colour}, nodes: {nodes}"
    if colour not in USABLE:
        raise QuintetError(f"{said}: shards are missing", remedy="Read: quintet logs search")
    return said


def ask_search_copies(lab: Lab, timeout: float) -> str:
    """Say how the search cluster is; on several nodes it must have all of them and every copy.

    Raises:
        QuintetError: as ask_search, or a node or a copy is missing.

    """
    wanted = len(lab.options["search"].get("nodes", ()))
    if wanted < 2:
        return ask_search(lab, timeout)
    colour, nodes = _search(lab, timeout)
    said = f"{colour}, nodes: {nodes} of {wanted}"
    if colour != "green" or nodes < wanted:
        raise QuintetError(said, remedy="On the nodes of search: quintet status; then: quintet logs search")
    return said


def _search(lab: Lab, timeout: float) -> tuple[str, int]:
    """Colour and nodes of the cluster. Raises QuintetError when it does not tell."""
    door, options = lab.endpoint("search"), lab.options["search"]
    user = options["reader"]
    try:
        trusted = ssl.create_default_context(cafile=options["ca"])
        answer = httpx.get(
            f"{door.url}/_cluster/health",
            auth=(user, lab.secret(f"search_{user}")),
            verify=trusted,
            timeout=timeout,
            trust_env=False,
        )
        answer.raise_for_status()
        told = answer.json()
        return str(told["status"]), int(told["number_of_nodes"])
    except (OSError, httpx.HTTPError, ValueError, KeyError) as error:
        raise QuintetError(f"{door.url}: {error}", remedy="Read: quintet logs search") from error


def ask_redis(lab: Lab, timeout: float) -> str:
    """Say that Redis answers a user.

    Raises:
        QuintetError: it does not answer, or lets the user not in.

    """
    door, user = lab.endpoint("redis"), lab.options["redis"]["user"]
    try:
        with socket.create_connection((door.host, door.port), timeout=timeout) as connection:
            connection.sendall(f"AUTH {user} {lab.secret(f'redis_{user}')}\r\nPING\r\n".encode())
            said = b""
            while said.count(b"\r\n") < 2 and not said.startswith(b"-") and len(said) < LINE:
                part = connection.recv(LINE)
                if not part:
                    break
                said += part
    except OSError as error:
        raise QuintetError(f"{door.url}: {error}", remedy="Read: quintet logs redis") from error
    if said != b"+OK\r\n+PONG\r\n":
        told = said.decode(errors="replace").strip() or "it closes the connection"
        raise QuintetError(f"{door.url}: {told}", remedy="Read: quintet logs redis")
    return f"answers the user {user}"


def ask_prometheus(lab: Lab, timeout: float) -> str:
    """Say how many targets tell their figures, as the programs' user.

    Raises:
        QuintetError: it does not answer, lets the user not in, or lacks a target.

    """
    door, user = lab.endpoint("prometheus"), lab.options["monitoring"]["user"]
    try:
        answer = httpx.get(
            f"{door.url}/api/v1/targets?state=active",
            auth=(user, lab.secret(f"monitoring_{user}")),
            timeout=timeout,
            trust_env=False,
        )
        answer.raise_for_status()
        targets = answer.json()["data"]["activeTargets"]
        silent = sorted({one["labels"]["service"] for one in targets if one["health"] != "up"})
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise QuintetError(f"{door.url}: {error}", remedy="Read: quintet logs prometheus") from error
    if silent:
        raise QuintetError(f"not told by: {', '.join(silent)}", remedy=f"Read: quintet logs {silent[0]}")
    return f"targets: {len(targets)}"


def ask_superset(lab: Lab, timeout: float) -> str:
    """Say how many dashboards of the release a viewer finds.

    Raises:
        QuintetError: it does not answer, lets the user not in, or lacks a dashboard.

    """
    with enter(lab, VIEWER, timeout=timeout) as session:
        found = shown(lab, session)
    missing = [one.title for one in found if not one.is_current]
    if missing:
        raise QuintetError(f"not as the release declares them: {', '.join(missing)}", remedy="Run: make deploy")
    return f"dashboards: {len(found)}"
