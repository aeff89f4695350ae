"""Whether the doors of the lab are open, and until when the certificates behind them hold."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from quintet.errors import QuintetError
from quintet.monitoring.figures import Figure
from quintet.settings import Endpoint, Lab

__all__ = ["certificates", "doors"]

#: Seconds for one door.
PATIENCE = 2.0


def doors(lab: Lab, patience: float = PATIENCE) -> Iterator[Figure]:
    """`quintet_door_open`, 1 or 0, for each door of the lab file."""
    services = {service.endpoint: service.name for service in lab.services if service.endpoint}
    for door in lab.endpoints.values():
        labels = {
            "door": door.name,
            "service": services.get(door.name, door.name),
            "address": f"{door.host}:{door.port}",
        }
        yield Figure("quintet_door_open", float(_is_open(door, patience)), labels)


def certificates(lab: Lab, patience: float = PATIENCE) -> Iterator[Figure]:
    """`quintet_certificate_end_timestamp_seconds` of the lab's authority and of what each TLS door shows.

    Raises:
        QuintetError: a door shows none that the authority made.

    """
    authority = Path(str((lab.options.get("search") or {}).get("ca") or lab.path("config") / "ca.pem"))
    if not authority.exists():
        return
    trusted = ssl.create_default_context(cafile=str(authority))
    for found in trusted.get_ca_certs():
        yield _end("authority", str(found["notAfter"]))
    for door in lab.endpoints.values():
        if door.scheme == "https" and _is_open(door, patience):
            try:
                with (
                    socket.create_connection((door.host, door.port), timeout=patience) as plain,
                    trusted.wrap_socket(plain, server_hostname=door.host) as connection,
                ):
                    shown = connection.getpeercert() or {}
            except OSError as error:
                raise QuintetError(f"{door.url}: {error}", remedy="Read the log of its service") from error
            yield _end(door.name, str(shown["notAfter"]))


def _is_open(door: Endpoint, patience: float) -> bool:
    try:
        with socket.create_connection((door.host, door.port), timeout=patience):
            return True
    except OSError:
        return False


def _end(holder: str, until: str) -> Figure:
    seconds = float(ssl.cert_time_to_seconds(until))
    return Figure("quintet_certificate_end_timestamp_seconds", seconds, {"holder": holder})
