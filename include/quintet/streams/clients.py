"""Settings of Kafka clients of this lab."""

from __future__ import annotations

from typing import Any

from quintet.errors import SettingsError
from quintet.settings import Lab

__all__ = ["bulk_reader_settings", "client_settings", "servers"]


def servers(lab: Lab) -> str:
    """Addresses of the brokers, `host:port` with commas between: whichever answers names the others."""
    door = lab.endpoint("kafka")
    return str(lab.options.get("kafka", {}).get("servers") or f"{door.host}:{door.port}")


def client_settings(lab: Lab, *, user: str | None = None) -> dict[str, Any]:
    """Settings of confluent-kafka for a client that enters as the programs' user, or as another.

    Raises:
        SettingsError: the lab has no Kafka.

    """
    options = lab.options.get("kafka")
    if not options:
        raise SettingsError(
            f"the lab file {lab.file} has no Kafka", remedy="Install the profile: make install PROFILES=…,streaming"
        )
    name = user or options["user"]
    return {
        "bootstrap.servers": servers(lab),
        "security.protocol": options["security_protocol"],
        "sasl.mechanism": options["mechanism"],
        "sasl.username": name,
        "sasl.password": lab.secret(f"kafka_{name}"),
        # Errors are told by calls and by the delivery of records; the library's own log would say them once more.
        "log_level": 0,
    }


def bulk_reader_settings(lab: Lab) -> dict[str, Any]:
    """Settings of a client that reads whole topics of committed records, in bounded memory; errors as client_settings.

    Source: librdkafka's CONFIGURATION.md.
    """
    return {
        **client_settings(lab),
        "enable.auto.commit": False,
        # What a transaction that was given up wrote is never seen.
        "isolation.level": "read_committed",
        # A place that the topic does not have is an error, not the beginning.
        "auto.offset.reset": "error",
        "fetch.message.max.bytes": 4 * 1024 * 1024,
        "queued.max.messages.kbytes": 32 * 1024,
        # A full queue makes the client pause its fetches, for a whole second by default: the reader would stand idle.
        "fetch.queue.backoff.ms": 10,
    }
