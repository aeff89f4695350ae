"""What keeps records that cannot be read from jobs of Flink: the real client, a broker, a registry's answers."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
import fastavro
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_server import jars_of
from labs import lab_below
from paths import ROOT
from quintet.catalogue import Cleanup, Topic
from quintet.cdc.errors import ChangeError
from quintet.cdc.records import Decoder
from quintet.settings import Lab
from quintet.streams.deadletters import letters, replay
from quintet.streams.registry import HEAD, Registry
from serving import JsonHandler, serving

ROLE = ROOT / "ansible" / "roles" / "flink" / "files"
KEY = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}
ROW = {
    "type": "record",
    "name": "Value",
    "fields": [{"name": "id", "type": "long"}, {"name": "text", "type": "string"}],
}
CHANGE = {
    "type": "record",
    "name": "Envelope",
    "fields": [
        {"name": "before", "type": ["null", ROW]},
        {"name": "after", "type": ["null", "Value"]},
        {"name": "source", "type": {"type": "record", "name": "Source", "fields": [{"name": "ts_ms", "type": "long"}]}},
        {"name": "op", "type": "string"},
    ],
}
SCHEMAS = {1: KEY, 2: CHANGE}
UNKNOWN = 999


def avro(number: int, value: Any) -> bytes:
    """A record in Confluent's form."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(SCHEMAS[number], named_schemas={}), value)
    return HEAD.pack(0, number) + body.getvalue()


def change(operation: str, after: Any, before: Any = None) -> bytes:
    return avro(2, {"before": before, "after": after, "source": {"ts_ms": 1}, "op": operation})


GOOD, A_KEY = change("c", {"id": 1, "text": "first"}), avro(1, {"id": 1})
#: What a record is -> its key, its value.
RECORDS: dict[str, tuple[bytes, bytes | None]] = {
    "an insert": (A_KEY, GOOD),
    "text": (A_KEY, b"{}"),
    "nothing": (A_KEY, b""),
    "an unknown schema": (A_KEY, HEAD.pack(0, UNKNOWN) + b"\x02"),
    "an update": (A_KEY, change("u", {"id": 1, "text": "second"}, {"id": 1, "text": "first"})),
    "a record that is cut": (A_KEY, GOOD[:-3]),
    "a record that is too long": (A_KEY, GOOD + b"\x00"),
    # The length of the text says two gigabytes.
    "a damaged length": (A_KEY, GOOD[:8] + b"\xfe\xff\xff\xff\x0f" + GOOD[9:]),
    "a key as the value": (A_KEY, A_KEY),
    "an unknown operation": (A_KEY, change("x", {"id": 1, "text": "third"})),
    "an update without a row": (A_KEY, change("u", None)),
    "a damaged key": (b"one", GOOD),
    "a deletion": (A_KEY, change("d", None, {"id": 1, "text": "second"})),
    "a tombstone": (A_KEY, None),
}


class Answers(JsonHandler):
    """The registry's answers about schemas; `is_well` off, it fails."""

    is_well = True

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        known = {f"/apis/ccompat/v7/schemas/ids/{number}": schema for number, schema in SCHEMAS.items()}
        if not type(self).is_well:
            self.say(500, {"error_code": 500, "message": "out of order"})
        elif path in known:
            self.say(200, {"schema": json.dumps(known[path])})
        else:
            self.say(404, {"error_code": 40403, "message": "not found"})


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Port of a registry that is well."""
    monkeypatch.setattr(Answers, "is_well", True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    with serving(server):
        yield server.server_port


@pytest.fixture
def streaming(tmp_path: Path, servers: str, registry: int) -> Lab:
    """A lab with both."""
    kafka = {"security_protocol": "PLAINTEXT", "mechanism": "PLAIN", "user": "quintet", "admin": "quintet"}
    doors = {"kafka": int(servers.rpartition(":")[2]), "registry": registry}
    return lab_below(tmp_path / "lab", more_doors=doors, options={"kafka": kafka}, secrets={"kafka_quintet": "none"})


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Command of a reader that has what the role makes; the role's own script makes it, and the reader."""
    java, flink, kafka = shutil.which("java"), jars_of("flink", "ecj-*.jar"), jars_of("kafka", "slf4j-api-*.jar")
    if java is None:
        pytest.skip("Java is not on this machine")
    folder = tmp_path_factory.mktemp("parts")
    source = folder / "sources"
    source.mkdir()
    made = []
    for file in (ROLE / "DeadLetters.java", Path(__file__).with_name("ReadAll.java")):
        jar = folder / f"{file.stem}.jar"
        # The reader is compiled against what it reads with.
        given = folder / "jars"
        shutil.rmtree(given, ignore_errors=True)
        given.mkdir()
        for path in (*flink.glob("*.jar"), flink / ".stamp"):
            (given / path.name).symlink_to(path)
        for number, path in enumerate(made):
            (given / f"flink-sql-connector-kafka-own-{number}.jar").symlink_to(path)
        line = ["bash", str(ROLE / "parts.sh"), java, str(given), str(given), str(jar), str(file)]
        said = [subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip() for _ in range(2)]
        assert said == ["changed", "same"]
        made.append(jar)
    path = ":".join(map(str, [*made, f"{flink}/*", *kafka.glob("slf4j-api-*.jar"), *kafka.glob("log4j-*.jar")]))
    return [java, "-Xmx256m", "-cp", path, "io.quintet.kafka.ReadAll"]


@pytest.fixture
def topic(servers: str) -> Topic:
    """A topic of changes, with one for its dead letters, and the records in it, in their order."""
    found = Topic(
        "p", f"p.{uuid.uuid4().hex[:8]}.changes", "o", "d", 1, Cleanup.COMPACT, key=("id",), has_dead_letters=True
    )
    compacted = {"cleanup.policy": "compact"}
    wanted = [NewTopic(name, 1, config=compacted) for name in (found.name, found.dead_letters)]
    admin = AdminClient({"bootstrap.servers": servers})
    for done in admin.create_topics(wanted).values():
        done.result(30)
    producer = Producer({"bootstrap.servers": servers})
    for name, (key, value) in RECORDS.items():
        producer.produce(found.name, key=key, value=value, headers=[("what", name.encode())])
    assert producer.flush(30) == 0
    return found


def read(reader: list[str], servers: str, registry: int, topic: Topic, records: str = "changes") -> list[str]:
    """Names of the records that come through, in their order."""
    line = [*reader, servers, f"http://127.0.0.1:{registry}/apis/ccompat/v7", topic.name, records]
    done = subprocess.run(line, check=True, capture_output=True, text=True, timeout=120)
    names = list(RECORDS)
    return [names[int(place.rpartition("/")[2])] for place in done.stdout.split() if place.startswith(topic.name)]


def reason(decoder: Decoder, key: bytes, value: bytes | None) -> str:
    """Why the landing puts a record aside; nothing: it does not."""
    try:
        if value is not None:
            decoder.change("p.t.changes", key, value)
    except ChangeError as error:
        return error.reason
    return ""


def test_the_stream_puts_the_same_records_aside_as_the_landing(
    reader: list[str], servers: str, registry: int, streaming: Lab, topic: Topic
) -> None:
    decoder = Decoder(Registry.of(streaming))
    expected = {name: reason(decoder, key, value) for name, (key, value) in RECORDS.items()}
    assert {reason for reason in expected.values() if reason} == {"malformed", "unknown-schema", "no-change"}
    assert read(reader, servers, registry, topic) == [name for name, why in expected.items() if not why]
    found = letters(streaming, [topic])
    assert {letter.headers["what"].decode(): letter.reason for letter in found} == {
        name: why for name, why in expected.items() if why
    }
    for letter in found:
        assert (letter.key, letter.value) == RECORDS[letter.headers["what"].decode()]
        assert letter.detail


def test_an_event_is_only_asked_to_be_read(
    reader: list[str], servers: str, registry: int, streaming: Lab, topic: Topic
) -> None:
    unreadable = {
        "text",
        "nothing",
        "an unknown schema",
        "a record that is cut",
        "a record that is too long",
        "a damaged length",
    }
    assert set(RECORDS) - set(read(reader, servers, registry, topic, "events")) == unreadable
    assert {letter.headers["what"].decode() for letter in letters(streaming, [topic])} == unreadable


def test_a_record_that_is_read_twice_is_one_dead_letter_and_can_be_sent_again(
    reader: list[str], servers: str, registry: int, streaming: Lab, topic: Topic
) -> None:
    through = read(reader, servers, registry, topic)
    assert read(reader, servers, registry, topic) == through
    assert len(letters(streaming, [topic])) == len(RECORDS) - len(through)
    (text,) = [letter.place for letter in letters(streaming, [topic]) if letter.value == b"{}"]
    assert replay(streaming, topic, [text]) == 1
    assert text not in {letter.place for letter in letters(streaming, [topic])}


def test_while_the_registry_fails_nothing_is_put_aside_and_the_reader_gets_everything(
    reader: list[str], servers: str, registry: int, streaming: Lab, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "is_well", False)
    assert read(reader, servers, registry, topic) == list(RECORDS)
    assert letters(streaming, [topic]) == []
