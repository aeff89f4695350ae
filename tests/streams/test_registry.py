"""The registry's client against a server of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from quintet.errors import ServiceDownError
from quintet.settings import Lab, read_lab
from quintet.streams.errors import RegistryError
from quintet.streams.registry import Registry
from serving import JsonHandler, serving

SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}]}


class Answers(JsonHandler):
    """Knows the schema 7 and the subject `known-value`, whose rule takes nothing else."""

    asked: list[str] = []  # noqa: RUF012
    #: How many questions from now on find the registry without its database.
    without_database = 0

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if Answers.without_database:
            Answers.without_database -= 1
            self.say(500, {"message": "An I/O error occurred while sending to the backend."})
            return
        found: dict[str, Any] = {
            "/apis/ccompat/v7/schemas/ids/7": {"schema": json.dumps(SCHEMA)},
            "/apis/ccompat/v7/subjects/known-value/versions/latest": {"id": 7, "schema": json.dumps(SCHEMA)},
            "/apis/ccompat/v7/config/known-value": {"compatibilityLevel": "FULL"},
            "/apis/ccompat/v7/config": {"compatibilityLevel": "BACKWARD"},
        }
        self.say(200 if self.path in found else 404, found.get(self.path, {"message": "not found"}))

    def do_POST(self) -> None:
        given = json.loads(self.given())
        same = json.loads(given["schema"]) == SCHEMA
        self.say(200 if same else 409, {"id": 7} if same else {"message": "incompatible"})


def streaming_lab(lab: Lab, *, port: int) -> Lab:
    """The lab with a registry at a port."""
    content = yaml.safe_load(lab.file.read_text(encoding="utf-8"))
    content["endpoints"]["registry"] = {"host": "127.0.0.1", "port": port, "scheme": "http"}
    lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_lab(lab.file)


@pytest.fixture
def registry(lab: Lab) -> Iterator[Registry]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Answers.asked.clear()
    with serving(server):
        yield Registry.of(streaming_lab(lab, port=server.server_port))


def test_a_schema_is_asked_for_once(registry: Registry) -> None:
    assert registry.by_id(7) == registry.by_id(7) == SCHEMA
    assert len(Answers.asked) == 1


def test_a_registry_that_lost_its_database_is_asked_again_and_not_for_ever(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quintet.streams.registry.PAUSE", 0.01)
    Answers.without_database = 2
    assert registry.by_id(7) == SCHEMA
    Answers.without_database = 99
    with pytest.raises(RegistryError, match="I/O error") as error:
        registry.compatibility("known-value")
    assert error.value.status == 500
    Answers.without_database = 0
    assert len(Answers.asked) == 3 + 5


def test_what_is_not_there_is_told_apart_from_a_registry_that_is_not(registry: Registry) -> None:
    with pytest.raises(RegistryError) as unknown:
        registry.by_id(8)
    assert unknown.value.status == 404
    assert registry.latest("other-value") is None
    assert registry.latest("known-value") == (7, SCHEMA)
    with pytest.raises(ServiceDownError, match="does not answer"):
        Registry("http://127.0.0.1:1").by_id(7)


def test_a_subject_has_its_own_rule_or_the_registry_s(registry: Registry) -> None:
    assert registry.compatibility("known-value") == "FULL"
    assert registry.compatibility("other-value") == "BACKWARD"
    assert registry.require("other-value", "BACKWARD") is False


def test_a_refused_schema_names_subject_and_rule(registry: Registry) -> None:
    assert registry.register("known-value", SCHEMA) == 7
    with pytest.raises(RegistryError, match="offered for known-value breaks its rule FULL"):
        registry.register("known-value", {**SCHEMA, "fields": []})
