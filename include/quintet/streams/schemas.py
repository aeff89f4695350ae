"""Avro schemas of topics whose fields the catalogue declares: of the values and of the keys."""

from __future__ import annotations

import re
from typing import Any

from quintet.catalogue import Column, Topic
from quintet.errors import InputError

__all__ = ["key_schema", "value_schema"]

_PLAIN: dict[str, Any] = {
    "long": "long",
    "integer": "int",
    "string": "string",
    "boolean": "boolean",
    "double": "double",
    "timestamp": {"type": "long", "logicalType": "timestamp-millis"},
}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_ARRAY = re.compile(r"array<(.+)>")
_STRUCT = re.compile(r"struct<(.+)>")


def value_schema(topic: Topic) -> dict[str, Any]:
    """Schema of a topic's values: its columns in their order, optional ones with the default null.

    Raises:
        InputError: the catalogue declares no columns, or a type that has no Avro.

    """
    if not topic.columns:
        raise InputError(f"the catalogue declares no fields of {topic.name}", remedy="Declare its columns")
    return {
        "type": "record",
        "name": _camel(topic.name),
        "namespace": f"quintet.{topic.project}",
        "fields": [_field(topic, column) for column in topic.columns],
    }


def key_schema(topic: Topic) -> dict[str, Any]:
    """Schema of a topic's keys. Raises as `value_schema`."""
    fields = {field["name"]: field for field in value_schema(topic)["fields"]}
    return {
        "type": "record",
        "name": f"{_camel(topic.name)}Key",
        "namespace": f"quintet.{topic.project}",
        "fields": [fields[name] for name in topic.key],
    }


def _field(topic: Topic, column: Column) -> dict[str, Any]:
    kind = _avro(column.type, f"{_camel(topic.name)}{_camel(column.name)}")
    if column.nullable:
        return {"name": column.name, "type": ["null", kind], "default": None}
    return {"name": column.name, "type": kind}


def _avro(kind: str, name: str) -> Any:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if found := _DECIMAL.fullmatch(kind):
        return {"type": "bytes", "logicalType": "decimal", "precision": int(found[1]), "scale": int(found[2])}
    if found := _ARRAY.fullmatch(kind):
        return {"type": "array", "items": _avro(found[1], name)}
    if found := _STRUCT.fullmatch(kind):
        # Commas within a decimal separate no fields.
        parts = [part.split(":") for part in re.split(r",(?![^(]*\))", found[1])]
        return {
            "type": "record",
            "name": name,
            "fields": [{"name": part, "type": _avro(value, f"{name}{_camel(part)}")} for part, value in parts],
        }
    raise InputError(f"the type {kind} has no Avro", remedy="Use a type of the catalogue")


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[._]", name))
