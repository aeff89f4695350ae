"""A producer that is held to its contract: a schema or a record that is less than promised is not written."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import fastavro
from fastavro.validation import validate

from quintet.catalogue import Topic
from quintet.contracts import Contract, ContractError
from quintet.contracts.avro import require
from quintet.settings import Lab
from quintet.streams.delivery import Delivery
from quintet.streams.registry import HEAD, Registry

__all__ = ["ContractedProducer"]


class ContractedProducer:
    """Writes records of one schema to one topic, in Confluent's form, with the contract's key as the record's key.

    Raises:
        ContractError: the schema breaks the contract; nothing has been registered or written.
        RegistryError: the registry's rule refuses the schema.
        ServiceDownError: the registry does not answer.

    """

    def __init__(self, lab: Lab, topic: Topic, contract: Contract, schema: Mapping[str, Any]) -> None:
        require(contract, schema)
        self._topic, self._contract = topic, contract
        fields = {field["name"]: field for field in schema["fields"]}
        keys = {"type": "record", "name": "Key", "fields": [fields[name] for name in contract.key]}
        registry = Registry.of(lab)
        self._value = _Form(registry.register(topic.subject, schema), schema)
        self._key = _Form(registry.register(topic.key_subject, keys), keys)
        # Connect and Flink choose a key's partition by this hash: all records of a key are in one, whoever writes them.
        settings = {"partitioner": "murmur2_random"}
        self._delivery = Delivery(lab, f"records for {topic.name} were not written", settings)

    def put(self, record: Mapping[str, Any]) -> None:
        """Write one record.

        Raises:
            ContractError: it does not fit the schema; the message names the field.

        """
        if not validate(record, self._value.parsed, strict=True, raise_errors=False):
            wrong = sorted(
                field["name"]
                for field in self._value.schema["fields"]
                if not validate(record.get(field["name"]), field["type"], raise_errors=False)
            )
            raise ContractError(
                f"{self._contract.id} {self._contract.version}",
                self._contract.owner,
                [f"the field {name} holds {record.get(name)!r}" for name in wrong] or ["the record has other fields"],
                remedy="Correct the record; nothing was written",
            )
        key = self._key.written({name: record[name] for name in self._contract.key})
        self._delivery.put(self._topic.name, key=key, value=self._value.written(record))

    def flush(self) -> None:
        """Wait until all are written.

        Raises:
            TopicError: one was not.

        """
        self._delivery.flush()


class _Form:
    def __init__(self, number: int, schema: Mapping[str, Any]) -> None:
        self.number, self.schema = number, schema
        self.parsed = fastavro.parse_schema(dict(schema), named_schemas={})

    def written(self, record: Mapping[str, Any]) -> bytes:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, self.parsed, dict(record))
        return HEAD.pack(0, self.number) + body.getvalue()
