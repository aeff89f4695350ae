"""Contracts against Avro schemas: whether what a producer writes holds what its contract promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quintet.contracts.errors import ContractError
from quintet.contracts.model import Contract

__all__ = ["Field", "breaches", "fields_of", "require"]

#: Debezium's and Connect's names of a type that Avro does not know -> the lake's.
_NAMED = {
    "io.debezium.time.Date": "date",
    "org.apache.kafka.connect.data.Date": "date",
    "io.debezium.time.ZonedTimestamp": "timestamp",
    "io.debezium.time.MicroTimestamp": "timestamp",
    "io.debezium.time.Timestamp": "timestamp",
    "org.apache.kafka.connect.data.Timestamp": "timestamp",
}
_LOGICAL = {"date": "date", "timestamp-millis": "timestamp", "timestamp-micros": "timestamp"}
_PLAIN = {
    "int": "integer",
    "long": "long",
    "string": "string",
    "boolean": "boolean",
    "double": "double",
    "float": "double",
}
#: Type promised -> types whose every value, or whose values in use, can be read as it. A wider number flows as long as
#: its values fit: the reader refuses one that does not.
_READ_AS = {"integer": {"long"}, "long": {"integer"}, "double": {"integer"}}


@dataclass(frozen=True)
class Field:
    """One field of a row as a schema declares it, by the lake's type names."""

    name: str
    type: str
    is_nullable: bool


def fields_of(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """Fields of the row in a schema: those of `after` in a change, else the record's own.

    Raises:
        ValueError: it is no schema of a record.

    """
    fields = {field["name"]: field for field in _record(schema)["fields"]}
    if {"before", "after", "op"} <= fields.keys():
        # The same record is written out where it comes first, and named after that.
        definition = next((part for side in ("before", "after") if (part := _defined(fields[side]["type"]))), None)
        if definition is None:
            raise ValueError("neither before nor after is a record")
        return tuple(_field(field) for field in definition["fields"])
    return tuple(_field(field) for field in fields.values())


def breaches(contract: Contract, schema: Mapping[str, Any]) -> list[str]:
    """In what a schema is less than the contract promises; fields beyond it are no breach."""
    offered = {field.name: field for field in fields_of(schema)}
    found = []
    for promise in contract.promises:
        field = offered.get(promise.name)
        if field is None:
            # An optional column that is gone reads as null, which was promised.
            if promise.is_required:
                found.append(f"the required column {promise.name} is missing")
        elif not _reads_as(field.type, promise.type):
            found.append(f"the column {promise.name} is {field.type}, promised is {promise.type}")
        elif promise.is_required and field.is_nullable:
            found.append(f"the required column {promise.name} may be null")
    return found


def require(contract: Contract, schema: Mapping[str, Any]) -> None:
    """Refuse a schema that breaks the contract.

    Raises:
        ContractError: it does; the message names every breach and the owner.

    """
    found = breaches(contract, schema)
    if found:
        raise ContractError(f"{contract.id} {contract.version}", contract.owner, found)


def _reads_as(offered: str, promised: str) -> bool:
    if offered == promised or offered in _READ_AS.get(promised, ()):
        return True
    if offered.startswith("decimal") and promised.startswith("decimal"):
        # Digits before the point may become more; those behind it would be cut.
        return _scale(offered) <= _scale(promised)
    return False


def _scale(name: str) -> int:
    return int(name.rstrip(")").rpartition(",")[2])


def _record(schema: Any) -> Mapping[str, Any]:
    if isinstance(schema, list):
        schema = next((part for part in schema if isinstance(part, Mapping)), None)
    if not isinstance(schema, Mapping) or schema.get("type") != "record":
        raise ValueError("the schema is not that of a record")
    return schema


def _defined(kind: Any) -> Mapping[str, Any] | None:
    parts = kind if isinstance(kind, list) else [kind]
    return next((part for part in parts if isinstance(part, Mapping) and part.get("type") == "record"), None)


def _field(field: Mapping[str, Any]) -> Field:
    kind = field["type"]
    parts = kind if isinstance(kind, list) else [kind]
    (value,) = [part for part in parts if part != "null"] or ["null"]
    return Field(field["name"], _lake_type(value), is_nullable="null" in parts)


def _lake_type(value: Any) -> str:
    if isinstance(value, str):
        return _PLAIN.get(value, value)
    logical = value.get("logicalType")
    if logical == "decimal":
        return f"decimal({value['precision']},{value.get('scale', 0)})"
    if value["type"] == "array":
        return f"array<{_lake_type(value['items'])}>"
    if value["type"] == "record":
        return f"struct<{','.join(_part(field) for field in value['fields'])}>"
    named = _NAMED.get(value.get("connect.name", "")) or _LOGICAL.get(logical or "")
    return named or _PLAIN.get(str(value["type"]), str(value["type"]))


def _part(field: Mapping[str, Any]) -> str:
    part = _field(field)
    # A part that may be null is another promise than one that may not.
    return f"{part.name}:{part.type}{'?' if part.is_nullable else ''}"
