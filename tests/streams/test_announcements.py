"""Announcements of folders: what is read, put aside, done again and never done twice. The broker is a real one."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from labs import lab_below
from quintet import alerts
from quintet.catalogue import Topic
from quintet.catalogue.inputs import INPUTS_ANNOUNCED
from quintet.errors import InputError, ServiceDownError
from quintet.lakehouse import announced
from quintet.lakehouse.announce import announce, main
from quintet.settings import Lab
from quintet.streams.deadletters import letters, replay
from quintet.streams.registry import HEAD
from registry_server import Answers

Send = Callable[..., dict[str, Any]]


@pytest.fixture
def topic(kafka_lab: Lab) -> Topic:
    found = dataclasses.replace(INPUTS_ANNOUNCED, name=f"lakehouse.{uuid.uuid4().hex[:8]}.announced")
    assert announced.prepare(topic=found) == {"changed": True}
    return found


@pytest.fixture
def send(topic: Topic) -> Send:
    def one(folder: Path, **given: Any) -> dict[str, Any]:
        return announce(folder, "ann", topic=topic, **given)

    return one


@pytest.fixture
def put(servers: str, topic: Topic) -> Callable[[bytes | None], None]:
    """Write a value as a stranger does."""

    def one(value: bytes | None) -> None:
        producer = Producer({"bootstrap.servers": servers})
        producer.produce(topic.name, key=b"x", value=value)
        assert producer.flush(30) == 0

    return one


def folder_of(path: Path, *names: str) -> Path:
    path.mkdir(parents=True)
    for name in names:
        (path / name).write_text("Invoice\n", encoding="utf-8")
    return path


def verdicts(found: list[dict[str, Any]]) -> list[str]:
    return [str(entry["verdict"]) for entry in found]


def test_a_second_preparation_changes_nothing(topic: Topic) -> None:
    assert announced.prepare(topic=topic) == {"changed": False}


def test_an_announcement_says_folder_sender_and_time_and_names_its_run(
    send: Send, topic: Topic, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "in", "2026-01-01.csv")
    sent = send(folder)
    (found,) = announced.read(topic=topic)
    assert found == {
        "partition": 0,
        "offset": 0,
        "verdict": "start",
        "run_id": f"announced__{sent['announcement_id']}",
        "folder": str(folder),
        "sender": "ann",
        "announced_at": sent["announced_at"],
        "fault": "",
    }
    assert (sent["files"], sent["topic"]) == (1, topic.name)
    assert json.loads(json.dumps(found)) == found, "it goes from task to task"


def test_the_place_moves_only_when_it_is_told_to(send: Send, topic: Topic, tmp_path: Path) -> None:
    assert announced.read(topic=topic) == []
    send(folder_of(tmp_path / "one", "a.csv"))
    first = announced.read(topic=topic)
    assert announced.read(topic=topic) == first, "a step that is killed is done again with the same"
    send(folder_of(tmp_path / "two", "b.csv"))
    assert announced.settle(received=first, topic=topic) == {"0": 1}
    (second,) = announced.read(topic=topic)
    assert (second["offset"], second["folder"]) == (1, str(tmp_path / "two"))
    announced.settle(received=[second], topic=topic)
    assert announced.read(topic=topic) == []
    assert announced.settle(received=[], topic=topic) == {}


def test_more_than_one_run_takes_is_left_to_the_next(send: Send, topic: Topic, tmp_path: Path) -> None:
    for number in range(3):
        send(folder_of(tmp_path / str(number), "a.csv"))
    first = announced.read(topic=topic, limit=2)
    announced.settle(received=first, topic=topic)
    rest = announced.read(topic=topic, limit=2)
    assert [entry["offset"] for entry in [*first, *rest]] == [0, 1, 2]


def test_the_same_folder_is_the_same_announcement_until_its_files_change_or_it_is_asked_for_again(
    send: Send, topic: Topic, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "in", "a.csv")
    once, twice = send(folder), send(folder)
    assert twice["announcement_id"] == once["announcement_id"]
    (folder / "b.csv").write_text("Invoice\n", encoding="utf-8")
    changed, again = send(folder), send(folder, again=True)
    assert len({entry["announcement_id"] for entry in (once, changed, again)}) == 3
    found = announced.read(topic=topic)
    assert verdicts(found) == ["start", "repeat", "start", "start"]
    announced.settle(received=found, topic=topic)
    send(folder)
    (late,) = announced.read(topic=topic)
    assert late["run_id"] == found[2]["run_id"], "Airflow has that run already"


def test_what_cannot_be_read_is_a_dead_letter_with_an_alert_and_the_others_go_on(
    kafka_lab: Lab, send: Send, put: Callable[[bytes | None], None], topic: Topic, tmp_path: Path
) -> None:
    put(b"{}")
    put(None)
    put(HEAD.pack(0, 999) + b"\x02")
    send(folder_of(tmp_path / "in", "a.csv"))
    found = announced.read(topic=topic)
    assert verdicts(found) == ["unreadable", "unreadable", "unreadable", "start"]
    assert [letter.reason for letter in letters(kafka_lab, [topic])] == ["malformed", "empty", "unknown-schema"]
    (told,) = alerts.read(kafka_lab)
    assert told.alert.title == f"records of {topic.name} cannot be read"
    assert f"{topic.name}/0/2: unknown-schema" in told.alert.detail
    announced.read(topic=topic)
    assert len(letters(kafka_lab, [topic])) == 3, "read twice, kept once"
    announced.settle(received=found, topic=topic)
    assert replay(kafka_lab, topic, [f"{topic.name}/0/0"]) == 1
    (back,) = announced.read(topic=topic)
    assert back["verdict"] == "unreadable", "it was sent again and is as bad as before"
    announced.settle(received=[back], topic=topic)
    assert announced.read(topic=topic) == [], "the mark of a transaction is no record"


def foreign(schema: dict[str, Any], row: dict[str, Any]) -> bytes:
    import io

    import fastavro

    Answers.schemas.append(json.dumps(schema))
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema, named_schemas={}), row)
    return HEAD.pack(0, len(Answers.schemas)) + body.getvalue()


def stranger(**changed: Any) -> bytes:
    """A record of another program."""
    row = {"announcement_id": "x-1", "folder": "/nowhere", "sender": "bob", "announced_at": 0, **changed}
    kinds = {"announced_at": {"type": "long", "logicalType": "timestamp-millis"}}
    fields = [{"name": name, "type": kinds.get(name, "string")} for name, value in row.items() if value is not None]
    given = {name: value for name, value in row.items() if value is not None}
    return foreign({"type": "record", "name": "Mine", "fields": fields}, given)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"announcement_id": "a/b"}, "bad-id"),
        ({"announcement_id": "x" * 101}, "bad-id"),
        ({"sender": ""}, "incomplete"),
        ({"folder": None}, "contract"),
    ],
)
def test_a_record_below_the_contract_is_put_aside_with_the_reason(
    kafka_lab: Lab, put: Callable[[bytes | None], None], topic: Topic, changed: dict[str, Any], reason: str
) -> None:
    put(stranger(**changed))
    assert verdicts(announced.read(topic=topic)) == ["unreadable"]
    assert [letter.reason for letter in letters(kafka_lab, [topic])] == [reason]


@pytest.mark.parametrize(
    ("folder", "fault"),
    [
        ("/nonexistent/quintet", "does not exist"),
        ("relative", "no absolute path"),
        ("/tmp/{{ 7 * 6 }}", "no absolute path"),
        ("/tmp/\n", "no absolute path"),
        ("/proc/self/mem", "cannot be listed"),
    ],
)
def test_a_folder_that_cannot_be_taken_is_told_with_its_sender(
    kafka_lab: Lab, put: Callable[[bytes | None], None], topic: Topic, folder: str, fault: str
) -> None:
    put(stranger(folder=folder, sender="bob {{ x }}"))
    (found,) = announced.read(topic=topic)
    assert (found["verdict"], found["run_id"]) == ("unfit", "announced__x-1")
    assert fault in found["fault"]
    assert not set("{}") & set(json.dumps({**found, "fault": ""})[1:-1])
    with pytest.raises(InputError, match=r"announced by bob \?\? x \?\? at 1970-01-01T00:00:00.*--again"):
        announced.refuse(**{name: found[name] for name in ("folder", "sender", "announced_at", "fault")})
    assert [told.is_open for told in alerts.read(kafka_lab)] == [True]


def test_the_alert_about_a_folder_ends_when_it_is_taken(
    kafka_lab: Lab, send: Send, topic: Topic, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "in", "a.csv")
    with pytest.raises(InputError):
        announced.refuse(folder=str(folder), sender="ann", announced_at="now", fault="it is empty", run_id="r1")
    send(folder)
    announced.read(topic=topic, run_id="r2")
    assert [told.is_open for told in alerts.read(kafka_lab)] == [False]


def test_a_folder_without_files_is_not_announced(
    kafka_lab: Lab, topic: Topic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "holds no *.csv" in announce(folder_of(tmp_path / "in"), "ann", topic=topic)["fault"]
    assert main(["--input", str(tmp_path / "absent"), "--sender", "ann"]) == 0
    assert "does not exist" in capsys.readouterr().out
    assert announced.read(topic=topic) == []


def test_while_the_registry_is_down_nothing_is_read_nor_put_aside(
    kafka_lab: Lab, send: Send, topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(folder_of(tmp_path / "in", "a.csv"))
    monkeypatch.setattr("quintet.streams.registry.PAUSE", 0.0)
    monkeypatch.setattr(Answers, "is_well", False)
    with pytest.raises(Exception, match="out of order"):
        announced.read(topic=topic)
    monkeypatch.setattr(Answers, "is_well", True)
    assert verdicts(announced.read(topic=topic)) == ["start"]
    assert letters(kafka_lab, [topic]) == []


def test_a_broker_that_is_away_is_named(
    tmp_path: Path, kafka_lab: Lab, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = lab_below(
        tmp_path / "away",
        more_doors={"kafka": 1, "registry": 1},
        options={"kafka": kafka_lab.options["kafka"]},
        secrets={"kafka_quintet": "none"},
    )
    monkeypatch.setenv("QUINTET_LAB", str(away.file))
    monkeypatch.setattr(announced, "ANSWER", 1)
    with pytest.raises(ServiceDownError, match=r"Kafka does not answer at 127\.0\.0\.1:1 .*quintet doctor"):
        announced.read(topic=topic)


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(
    servers: str, send: Send, topic: Topic, tmp_path: Path
) -> None:
    for number in range(2):
        send(folder_of(tmp_path / str(number), "a.csv"))
    announced.settle(received=announced.read(topic=topic), topic=topic)
    admin = AdminClient({"bootstrap.servers": servers})
    admin.delete_topics([topic.name])[topic.name].result(30)
    announced.prepare(topic=topic)
    send(folder_of(tmp_path / "new", "a.csv"))
    assert [entry["offset"] for entry in announced.read(topic=topic)] == [0]
