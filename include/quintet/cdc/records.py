"""Records of a change topic, decoded: Debezium's envelope in Avro, in Confluent's form.

A value in the result is what JSON holds: numbers, booleans, texts; decimals as texts with their digits, dates as
`YYYY-MM-DD`, instants as ISO 8601 in UTC.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import fastavro
from fastavro.types import Schema

from quintet.cdc.errors import ChangeError
from quintet.streams.errors import RegistryError
from quintet.streams.registry import HEAD, Registry

__all__ = ["UNCHANGED", "Change", "Decoder"]

#: What Debezium puts where the source's log leaves a long value out, because the change did not touch it.
UNCHANGED = "__debezium_unavailable_value"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ZERO = date(1970, 1, 1)
_UNKNOWN = 404
#: Operations of a change log: r (snapshot), c (insert), u (update), d (delete).
_OPERATIONS = frozenset("rcud")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one row; `row` is JSON text, None for a deletion; times in microseconds since the epoch."""

    operation: str
    key: str
    row: str | None
    unchanged: tuple[str, ...]
    lsn: int
    transaction_id: int | None
    changed_us: int
    captured_us: int
    schema_id: int


class _Form:
    """One schema, ready to read with; `values` turn the fields of a row into what JSON holds."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.parsed: Schema = fastavro.parse_schema(schema, named_schemas={})
        record = schema if isinstance(schema, Mapping) else {}
        names = {field["name"]: field for field in record.get("fields", ())}
        row = _row_of(names) if {"before", "after", "op"} <= names.keys() else record
        self.is_change = row is not record
        self.values = {
            field["name"]: turn for field in row.get("fields", ()) if (turn := _turning(field["type"])) is not None
        }

    def as_json(self, row: Mapping[str, Any]) -> str:
        given = dict(row)
        for name, turn in self.values.items():
            if given.get(name) is not None:
                given[name] = turn(given[name])
        return json.dumps(given, ensure_ascii=False, separators=(",", ":"))


class Decoder:
    """Decodes keys and values; schemas are asked for once. `on_schema` is told of each new schema of values."""

    def __init__(self, registry: Registry, on_schema: Callable[[str, Any], None] | None = None) -> None:
        self._registry = registry
        self._on_schema = on_schema
        self._forms: dict[int, _Form] = {}
        self._told: set[tuple[str, int]] = set()

    def change(self, topic: str, key: bytes | None, value: bytes) -> Change:
        """The change that a record holds.

        Raises:
            ChangeError: key or value are none of a change; its reason: null-key, malformed, unknown-schema, no-change.
            ServiceDownError: the registry does not answer.

        """
        if key is None:
            raise ChangeError("null-key", "the record has no key, so that no row can be named")
        form, number, envelope = self._read(value)
        key_form, _, key_row = self._read(key)
        if not form.is_change or envelope["op"] not in _OPERATIONS:
            raise ChangeError("no-change", f"the value is no change of a row: operation {envelope.get('op')}")
        self._tell(topic, number, form)
        return _change(form, number, key_form.as_json(key_row), envelope)

    def record(self, topic: str, value: bytes) -> tuple[int, dict[str, Any]]:
        """Number of its schema, and the fields of a record that is no change, as Python holds them.

        Raises:
            ChangeError: it is no record; its reason: malformed, unknown-schema.
            ServiceDownError: the registry does not answer.

        """
        form, number, row = self._read(value)
        self._tell(topic, number, form)
        return number, row

    def _tell(self, topic: str, number: int, form: _Form) -> None:
        if self._on_schema is not None and (topic, number) not in self._told:
            self._on_schema(topic, form.schema)
            self._told.add((topic, number))

    def _read(self, data: bytes) -> tuple[_Form, int, dict[str, Any]]:
        if len(data) < HEAD.size or data[0] != 0:
            raise ChangeError("malformed", "it does not begin with a zero byte and the id of a schema")
        number = HEAD.unpack_from(data)[1]
        form = self._form(number)
        body = io.BytesIO(data)
        body.seek(HEAD.size)
        try:
            row = fastavro.schemaless_reader(body, form.parsed, None)
        except Exception as error:  # fastavro raises what the bytes lead it to
            raise ChangeError("malformed", f"it cannot be read with schema {number}: {error!r}") from error
        if not isinstance(row, dict) or body.read(1):
            raise ChangeError("malformed", f"it is longer than a record of schema {number}, or none")
        return form, number, row

    def _form(self, number: int) -> _Form:
        if number not in self._forms:
            try:
                self._forms[number] = _Form(self._registry.by_id(number))
            except RegistryError as error:
                if error.status == _UNKNOWN:
                    raise ChangeError("unknown-schema", f"the registry has no schema {number}") from error
                raise
        return self._forms[number]


def _change(form: _Form, number: int, key: str, envelope: Mapping[str, Any]) -> Change:
    source, row, operation = envelope["source"], envelope["after"], envelope["op"]
    if (row is None) != (operation == "d"):
        raise ChangeError("no-change", f"a change {operation} {'without' if row is None else 'with'} a row")
    unchanged: tuple[str, ...] = ()
    if row is not None:
        unchanged = tuple(name for name, given in row.items() if given == UNCHANGED)
        row = {name: given for name, given in row.items() if given != UNCHANGED} if unchanged else row
    return Change(
        operation=operation,
        key=key,
        row=None if row is None else form.as_json(row),
        unchanged=unchanged,
        lsn=source.get("lsn") or 0,
        transaction_id=source.get("txId"),
        changed_us=source.get("ts_us") or source["ts_ms"] * 1000,
        captured_us=envelope.get("ts_us") or (envelope.get("ts_ms") or source["ts_ms"]) * 1000,
        schema_id=number,
    )


def _row_of(fields: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    for side in ("before", "after"):
        kind = fields[side]["type"]
        for part in kind if isinstance(kind, list) else [kind]:
            if isinstance(part, Mapping) and part.get("type") == "record":
                return part
    return {}


def _turning(kind: Any) -> Callable[[Any], Any] | None:
    """What turns a field's value into JSON's; None: it is that already."""
    parts = [part for part in (kind if isinstance(kind, list) else [kind]) if part != "null"]
    part = parts[0] if parts else "null"
    if not isinstance(part, Mapping):
        return (lambda value: value.hex()) if part == "bytes" else None
    if part.get("logicalType") == "decimal":
        return _decimal
    return _TURNINGS.get(str(part.get("connect.name"))) or _LOGICAL.get(str(part.get("logicalType")))


def _decimal(value: Decimal) -> str:
    return f"{value:f}"


def _date(days: int) -> str:
    return (_DAY_ZERO + timedelta(days=days)).isoformat()


def _micros(value: int) -> str:
    return (_EPOCH + timedelta(microseconds=value)).isoformat()


def _millis(value: int) -> str:
    return _micros(value * 1000)


def _iso(value: date) -> str:
    return value.isoformat()


_TURNINGS: dict[str, Callable[[Any], Any]] = {
    "io.debezium.time.Date": _date,
    "io.debezium.time.MicroTimestamp": _micros,
    "io.debezium.time.Timestamp": _millis,
}
#: Those that fastavro reads as Python's own.
_LOGICAL: dict[str, Callable[[Any], Any]] = {"date": _iso, "timestamp-millis": _iso, "timestamp-micros": _iso}
