"""The Debezium connector of a source: its configuration, and its life.

The password stands in no topic and no answer of Connect: the configuration names it, and the worker reads it from the
lab's file of secrets.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from quintet.catalogue import ChangeSource, SourceTable
from quintet.cdc.connect import Connect, State
from quintet.cdc.errors import CaptureError
from quintet.settings import Lab
from quintet.streams.schemas import key_schema, value_schema

__all__ = ["ROLE", "config_of", "deploy", "name_of", "remedy_for", "state_of", "wait_for", "wait_until_running"]

#: Role that reads the log.
ROLE = "debezium"
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
        "provide.transaction.metadata": "true" if source.transactions else "false",
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
        **_reading(source),
        **_transforms(source),
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
            raise CaptureError(
                f"the connector {name} has failed: {state.trace}", remedy=remedy_for(state.trace, source)
            )
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
        raise CaptureError(f"there is no connector {name_of(source)}", remedy=f"Run: {source.deployed_by}")
    return state


#: Part of a cause -> what a person does about it, with the source's project and its command.
_REMEDIES: tuple[tuple[str, str], ...] = (
    ("no longer available on the server", "The slot was lost. Run: quintet capture recover {project}"),
    ("replication slot", "Look at the slot: quintet capture show {project}"),
    (
        "RuleViolation",
        "The schema breaks the contract's rule: take the change of the table back, or agree on a new one",
    ),
    ("Incompatible", "The schema breaks the contract's rule: take the change of the table back, or agree on a new one"),
    ("RecordTooLarge", "A row is larger than a record may be: shorten it, or raise the limit of topic and connector"),
    ("not present in metadata", "A topic is missing: {command} makes it"),
)


def remedy_for(cause: str, source: ChangeSource) -> str:
    """What a person does about a cause of a source's failure."""
    found = next((remedy for part, remedy in _REMEDIES if part in cause), "The whole trace: quintet logs connect")
    return found.format(project=source.project, command=source.deployed_by)


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
        f"insert into {source.signs_schema}.heartbeats (source, beat_at) values ('{source.name}', now()) "
        "on conflict (source) do update set beat_at = excluded.beat_at"
    )
    return {
        "heartbeat.interval.ms": str(BEAT * 1000),
        "heartbeat.action.query": beat,
        "topic.heartbeat.prefix": "heartbeats",
        "signal.data.collection": f"{source.signs_schema}.signals",
        "signal.enabled.channels": "source",
        "incremental.snapshot.chunk.size": "2048",
    }


def _reading(source: ChangeSource) -> dict[str, str]:
    """How rows are read and keyed where that is not by the primary key of their table."""
    found: dict[str, str] = {}
    if source.is_flat:
        # Of what Debezium can write of a time this alone is Avro's own, which every reader of a flat record knows.
        found["time.precision.mode"] = "connect"
    names = {table: f"{source.database_schema}.{table.name}" for table in source.tables}
    keyed = [f"{names[table]}:{','.join(table.topic.key)}" for table in source.tables if table.topic.key != table.key]
    if keyed:
        found["message.key.columns"] = ";".join(keyed)
    ordered = [table for table in source.tables if table.read_by]
    if ordered:
        found["snapshot.select.statement.overrides"] = ",".join(names[table] for table in ordered)
    for table in ordered:
        order = ", ".join(table.read_by)
        found[f"snapshot.select.statement.overrides.{names[table]}"] = f"select * from {names[table]} order by {order}"
    return found


def _transforms(source: ChangeSource) -> dict[str, str]:
    """From Debezium's topics to those of the catalogue, and of a flat source from changes to rows."""
    steps = {**_routes(source), **(_rows(source) if source.is_flat else {})}
    found = {"transforms": ",".join(steps), "topic.transaction": "transactions"}
    for name, settings in steps.items():
        found |= {f"transforms.{name}.{setting}": value for setting, value in settings.items()}
    if source.is_flat:
        # Heartbeats and signals stay as they are.
        found["predicates"] = ",".join(_predicate(table) for table in source.tables)
    for table in source.tables if source.is_flat else ():
        found |= {
            f"predicates.{_predicate(table)}.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            f"predicates.{_predicate(table)}.pattern": re.escape(table.topic.name),
        }
    return found


def _routes(source: ChangeSource) -> dict[str, dict[str, str]]:
    """Steps from Debezium's names of topics to those of the catalogue."""
    prefix = re.escape(source.name)
    tables = rf"{prefix}\.{source.database_schema}\."
    routes: dict[str, tuple[str, str]] = {}
    if any(table.topic.name == _changes(source, table.name) for table in source.tables):
        routes["tables"] = (rf"{tables}(.*)", _changes(source, "$1"))
    routes |= {
        f"table_{table.name}": (rf"{tables}{table.name}", table.topic.name)
        for table in source.tables
        if table.topic.name != _changes(source, table.name)
    }
    routes["signals"] = (rf"{prefix}\.{source.signs_schema}\.signals", source.signals.name)
    routes["heartbeats"] = (rf"heartbeats\.{prefix}", source.heartbeats.name)
    return {
        name: {
            "type": "org.apache.kafka.connect.transforms.RegexRouter",
            "regex": pattern,
            "replacement": topic,
        }
        for name, (pattern, topic) in routes.items()
    }


def _changes(source: ChangeSource, table: str) -> str:
    return f"{source.project}.{table}.changes"


def _rows(source: ChangeSource) -> dict[str, dict[str, str]]:
    """Steps that leave the row alone of each change, under the names of schemas that the catalogue gives the topic."""
    steps: dict[str, dict[str, str]] = {}
    for table in source.tables:
        steps[f"flat_{table.name}"] = {
            "type": "io.debezium.transforms.ExtractNewRecordState",
            "predicate": _predicate(table),
            # A row is never deleted: there is nothing to tell of one that is not there.
            "delete.tombstone.handling.mode": "drop",
        }
        for part, schema in (("Key", key_schema(table.topic)), ("Value", value_schema(table.topic))):
            steps[f"{part.lower()}_{table.name}"] = {
                "type": f"org.apache.kafka.connect.transforms.SetSchemaMetadata${part}",
                "predicate": _predicate(table),
                "schema.name": f"{schema['namespace']}.{schema['name']}",
            }
    return steps


def _predicate(table: SourceTable) -> str:
    return f"is_{table.name}"


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
