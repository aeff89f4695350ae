"""The Debezium connector of a source: its configuration, and its life.

The password stands in no topic and no answer of Connect: the configuration names it, and the worker reads it from the
lab's file of secrets.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from quintet.catalogue import ChangeSource
from quintet.cdc.connect import Connect, State
from quintet.cdc.errors import CaptureError
from quintet.settings import Lab

__all__ = ["SCHEMA", "config_of", "deploy", "name_of", "state_of", "wait_until_running"]

#: Role that reads the log, and the schema of the tables that the capture writes itself.
ROLE, SCHEMA = "debezium", "capture"
#: Seconds between signs of life: the place in the log that is given free moves on as often.
BEAT = 5
#: Seconds until a connector that was started runs, and for which the failure before its start may still be told.
START, OLD_FAILURE = 120, 15
#: Largest record, in bytes; the topics take as much.
LARGEST = 4 * 1024 * 1024
_CONVERTER = "io.apicurio.registry.utils.converter.AvroConverter"


def name_of(source: ChangeSource) -> str:
    """Name of the source's connector."""
    return source.name.replace(".", "-")


def config_of(lab: Lab, source: ChangeSource) -> dict[str, str]:
    """Configuration of the source's connector.

    Raises:
        SettingsError: the lab lacks one of its services.

    """
    door = lab.endpoint("postgres")
    secrets = lab.file.with_name("secrets.yaml")
    tables = ",".join(f"{source.database_schema}.{table.name}" for table in source.tables)
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "database.hostname": door.host,
        "database.port": str(door.port),
        "database.dbname": source.database,
        "database.user": ROLE,
        "database.password": f"${{file:{secrets}:postgres_{ROLE}}}",
        "plugin.name": "pgoutput",
        "slot.name": source.slot,
        # The publication is the database's own declaration of what may be read; this role could not make one.
        "publication.name": source.publication,
        "publication.autocreate.mode": "disabled",
        "table.include.list": tables,
        "topic.prefix": source.name,
        "snapshot.mode": "initial",
        # A record is in its topic once, or not: records and the place in the log are written in one transaction.
        "exactly.once.support": "required",
        "transaction.boundary": "poll",
        "provide.transaction.metadata": "true",
        "tombstones.on.delete": "true",
        "decimal.handling.mode": "precise",
        "poll.interval.ms": "100",
        # Headers that name the connector in every record: their topic says it.
        "extended.headers.enabled": "false",
        # A database that restarts is waited for.
        "errors.max.retries": "-1",
        "retriable.restart.connector.wait.ms": "5000",
        "producer.override.compression.type": "lz4",
        "producer.override.max.request.size": str(LARGEST),
        **_signs(source),
        **_routes(source),
        **_schemas(lab),
    }


def deploy(lab: Lab, source: ChangeSource) -> str:
    """Make the connector, or give it its configuration where that is another, and wait until it runs.

    Returns created, changed or same.

    Raises:
        CaptureError: Connect refuses it, or it fails; the message holds the first cause.
        ServiceDownError: Connect does not answer.

    """
    connect, name, wanted = Connect.of(lab), name_of(source), config_of(lab, source)
    have = connect.config(name)
    done = "created" if have is None else "same" if have == wanted | {"name": name} else "changed"
    if done != "same":
        connect.put(name, wanted)
    state = None if have is None else connect.state(name)
    had_failed = state is not None and state.has_failed
    if state is not None and state.connector in {"STOPPED", "PAUSED"}:
        connect.resume(name)
        done = "changed"
    elif done == "same" and had_failed:
        connect.restart(name)
        done = "changed"
    wait_until_running(lab, source, had_failed=had_failed)
    return done


def wait_until_running(lab: Lab, source: ChangeSource, *, seconds: float = START, had_failed: bool = False) -> None:
    """Wait for the connector and its task.

    Args:
        lab: the lab whose worker is asked.
        source: whose connector it is.
        seconds: how long.
        had_failed: it was started again after a failure, which Connect still tells for a moment.

    Raises:
        CaptureError: it failed, or does not run within the time; the message holds the first cause.

    """
    name, begun = name_of(source), time.monotonic()
    end, believed = begun + seconds, begun + (OLD_FAILURE if had_failed else 0)
    state: State | None = None
    while time.monotonic() < end:
        state = Connect.of(lab).state(name)
        if state is not None and state.is_running:
            return
        if state is not None and state.has_failed and state.trace and time.monotonic() >= believed:
            raise CaptureError(f"the connector {name} has failed: {state.trace}", remedy=remedy_for(state.trace))
        time.sleep(0.5)
    raise CaptureError(
        f"the connector {name} does not run after {seconds:.0f} s: {state}", remedy="quintet logs connect"
    )


def state_of(lab: Lab, source: ChangeSource) -> State:
    """State of the source's connector.

    Raises:
        CaptureError: there is none.

    """
    state = Connect.of(lab).state(name_of(source))
    if state is None:
        raise CaptureError(f"there is no connector {name_of(source)}", remedy="Run: quintet run lakehouse --cdc")
    return state


#: Part of a cause -> what a person does.
_REMEDIES: tuple[tuple[str, str], ...] = (
    ("no longer available on the server", "The slot was lost. Run: quintet capture recover lakehouse"),
    ("replication slot", "Look at the slot: quintet capture show lakehouse"),
    (
        "RuleViolation",
        "The schema breaks the contract's rule: take the change of the table back, or agree on a new one",
    ),
    ("Incompatible", "The schema breaks the contract's rule: take the change of the table back, or agree on a new one"),
    ("RecordTooLarge", "A row is larger than a record may be: shorten it, or raise the limit of topic and connector"),
    ("not present in metadata", "A topic is missing: quintet run lakehouse --cdc makes it"),
)


def remedy_for(cause: str) -> str:
    """What a person does about a cause."""
    return next((remedy for part, remedy in _REMEDIES if part in cause), "The whole trace: quintet logs connect")


def wait_for(look: Callable[[], bool], what: str, *, seconds: float, pause: float = 0.5) -> None:
    """Look until it is so.

    Raises:
        CaptureError: it is not so within the time.

    """
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() > end:
            raise CaptureError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(pause)


def _signs(source: ChangeSource) -> dict[str, str]:
    """Heartbeats, which write a row of their own, and signals."""
    beat = (
        f"insert into {SCHEMA}.heartbeats (source, beat_at) values ('{source.name}', now()) "
        "on conflict (source) do update set beat_at = excluded.beat_at"
    )
    return {
        "heartbeat.interval.ms": str(BEAT * 1000),
        "heartbeat.action.query": beat,
        "topic.heartbeat.prefix": "heartbeats",
        "signal.data.collection": f"{SCHEMA}.signals",
        "signal.enabled.channels": "source",
        "incremental.snapshot.chunk.size": "2048",
    }


def _routes(source: ChangeSource) -> dict[str, str]:
    """From Debezium's names of topics to those of the catalogue."""
    prefix = re.escape(source.name)
    routes: dict[str, tuple[str, str]] = {
        "tables": (rf"{prefix}\.{source.database_schema}\.(.*)", f"{source.project}.$1.changes"),
        "signals": (rf"{prefix}\.{SCHEMA}\.signals", source.signals.name),
        "heartbeats": (rf"heartbeats\.{prefix}", source.heartbeats.name),
    }
    found: dict[str, Any] = {"transforms": ",".join(routes), "topic.transaction": "transactions"}
    for name, (pattern, topic) in routes.items():
        found |= {
            f"transforms.{name}.type": "org.apache.kafka.connect.transforms.RegexRouter",
            f"transforms.{name}.regex": pattern,
            f"transforms.{name}.replacement": topic,
        }
    return found


def _schemas(lab: Lab) -> dict[str, str]:
    """Avro with the registry, in Confluent's form: a zero byte, the schema's id in four bytes, the record."""
    url = f"{lab.endpoint('registry').url}/apis/registry/v2"
    found = {"schema.name.adjustment.mode": "avro", "field.name.adjustment.mode": "avro"}
    for side in ("key", "value"):
        found |= {
            f"{side}.converter": _CONVERTER,
            f"{side}.converter.apicurio.registry.url": url,
            # The rule of the registry decides whether a new schema is taken: a refused one stops the task.
            f"{side}.converter.apicurio.registry.auto-register": "true",
            f"{side}.converter.apicurio.registry.auto-register.if-exists": "RETURN_OR_UPDATE",
            f"{side}.converter.apicurio.registry.as-confluent": "true",
            f"{side}.converter.apicurio.registry.use-id": "contentId",
            f"{side}.converter.apicurio.registry.headers.enabled": "false",
        }
    return found
