"""Contracts: the files agree with the catalogue, and what is less than promised is refused with the owner's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paths import ROOT
from quintet.contracts import Contract, ContractError, read_contract, read_contracts
from quintet.contracts.avro import breaches, fields_of, require
from quintet.contracts.declared import differences, event_differences, event_topics, sources_by_topic
from quintet.errors import InputError

CONTRACTS = read_contracts(ROOT / "contracts")
SOURCES = sources_by_topic()
EVENTS = event_topics()
DECIMAL = {
    "type": "bytes",
    "logicalType": "decimal",
    "precision": 12,
    "scale": 2,
    "connect.name": "org.apache.kafka.connect.data.Decimal",
}
INSTANT = {"type": "string", "connect.name": "io.debezium.time.ZonedTimestamp"}
DAY = {"type": "int", "connect.name": "io.debezium.time.Date"}
#: Lake type -> Avro, as Debezium writes it.
AVRO: dict[str, Any] = {
    "long": "long",
    "integer": "int",
    "string": "string",
    "boolean": "boolean",
    "double": "double",
    "date": DAY,
    "timestamp": INSTANT,
}


def avro(kind: str) -> Any:
    if kind.startswith("decimal"):
        precision, scale = kind[8:-1].split(",")
        return {**DECIMAL, "precision": int(precision), "scale": int(scale)}
    return AVRO[kind]


def envelope(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Schema of a change as Debezium writes it: the row's record stands where it comes first."""
    value = {"type": "record", "name": "Value", "fields": fields}
    return {
        "type": "record",
        "name": "Envelope",
        "fields": [
            {"name": "before", "type": ["null", value], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "op", "type": "string"},
        ],
    }


def offered(contract: Contract, **changed: Any) -> dict[str, Any]:
    """What the contract promises; `changed` replaces a column's type, None takes it away."""
    fields = []
    for promise in contract.promises:
        kind = changed.get(promise.name, avro(promise.type))
        if kind is not None:
            nullable = {"type": ["null", kind], "default": None}
            fields.append({"name": promise.name, **({"type": kind} if promise.is_required else nullable)})
    return envelope([*fields, *({"name": name, "type": kind} for name, kind in changed.items() if name == "extra")])


@pytest.mark.parametrize("topic", sorted(SOURCES))
def test_a_captured_table_has_a_contract_that_agrees_with_the_catalogue(topic: str) -> None:
    assert topic in CONTRACTS, "write contracts/<project>/<table>_changes.odcs.yaml"
    assert differences(CONTRACTS[topic], SOURCES[topic]) == []


def test_every_contract_is_about_something_in_the_catalogue() -> None:
    about_topics = {name for name, contract in CONTRACTS.items() if contract.kind == "topic"}
    assert about_topics <= set(SOURCES) | set(EVENTS)


@pytest.mark.parametrize("topic", sorted(EVENTS))
def test_a_topic_of_events_has_a_contract_that_agrees_with_the_catalogue(topic: str) -> None:
    assert topic in CONTRACTS, "write contracts/<project>/<entity>_<event>.odcs.yaml"
    assert event_differences(CONTRACTS[topic], EVENTS[topic]) == []


@pytest.mark.parametrize("topic", sorted(SOURCES))
def test_what_is_promised_and_more_is_taken(topic: str) -> None:
    contract = CONTRACTS[topic]
    assert breaches(contract, offered(contract)) == []
    assert breaches(contract, offered(contract, extra="string")) == []


PRODUCTS = "lakehouse.products.changes"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"title": None}, "the required column title is missing"),
        ({"title": "long"}, "the column title is long, promised is string"),
        ({"list_price": {**DECIMAL, "scale": 3}}, "the column list_price is decimal(12,3), promised is decimal(12,2)"),
        ({"title": ["null", "string"]}, None),
    ],
)
def test_less_than_promised_is_refused_with_the_owner(changed: dict[str, Any], told: str | None) -> None:
    contract = CONTRACTS[PRODUCTS]
    schema = offered(contract, **changed)
    told = told or "the required column title may be null"
    with pytest.raises(ContractError, match="Owner: shop-backend") as refused:
        require(contract, schema)
    assert refused.value.breaches == (told,)
    assert refused.value.exit_code == 5


@pytest.mark.parametrize(
    ("topic", "changed"),
    [
        (PRODUCTS, {"weight_kg": None}),  # optional: reads as null
        (PRODUCTS, {"list_price": {**DECIMAL, "precision": 18}}),
        ("lakehouse.order_lines.changes", {"quantity": "long"}),
    ],
)
def test_what_can_be_read_as_promised_flows(topic: str, changed: dict[str, Any]) -> None:
    assert breaches(CONTRACTS[topic], offered(CONTRACTS[topic], **changed)) == []


def test_fields_of_a_plain_record_are_its_own() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "at", "type": ["null", INSTANT]}]}
    (field,) = fields_of(schema)
    assert (field.name, field.type, field.is_nullable) == ("at", "timestamp", True)


def test_lists_and_records_are_told_by_what_is_in_them() -> None:
    line = {
        "type": "record",
        "name": "L",
        "fields": [{"name": "n", "type": "long"}, {"name": "t", "type": ["null", "string"]}],
    }
    schema = {"type": "record", "name": "R", "fields": [{"name": "lines", "type": {"type": "array", "items": line}}]}
    assert [field.type for field in fields_of(schema)] == ["array<struct<n:long,t:string?>>"]


def test_a_schema_of_no_record_is_refused() -> None:
    with pytest.raises(ValueError, match="not that of a record"):
        fields_of("string")  # type: ignore[arg-type]


def test_a_file_that_lacks_something_says_what(tmp_path: Path) -> None:
    text = (ROOT / "contracts/lakehouse/orders_changes.odcs.yaml").read_text(encoding="utf-8")
    file = tmp_path / "x.odcs.yaml"
    file.write_text(text.replace("role: owner", "role: guest"), encoding="utf-8")
    with pytest.raises(InputError, match="lacks an owner"):
        read_contract(file)
    file.write_text(text.replace("kind: DataContract", "kind: Other"), encoding="utf-8")
    with pytest.raises(InputError, match="kind DataContract"):
        read_contract(file)


def test_two_contracts_about_one_thing_are_refused(tmp_path: Path) -> None:
    text = (ROOT / "contracts/lakehouse/orders_changes.odcs.yaml").read_text(encoding="utf-8")
    for name in ("a", "b"):
        (tmp_path / f"{name}.odcs.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"both about lakehouse\.orders\.changes"):
        read_contracts(tmp_path)
