"""The SQL of the live figures names what the catalogue and the definitions say."""

from __future__ import annotations

import re

import pytest

from paths import ROOT
from quintet.catalogue.ecommerce import ECOMMERCE_TABLES, ECOMMERCE_TOPICS, EVENT_TOPICS, SESSIONS
from quintet.catalogue.model import Column, Topic
from quintet.ecommerce.definitions import INVALID, parameters
from quintet.flink.sqltext import is_job, split

FOLDER = ROOT / "flink_jobs" / "ecommerce" / "live_figures"
TEXTS = {file.name: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.sql"))}
STATEMENTS = [statement for name, text in TEXTS.items() for statement in split(text, where=name)]
PLAIN = {"long": "BIGINT", "integer": "INT", "string": "STRING", "timestamp": "TIMESTAMP(3)", "boolean": "BOOLEAN"}


def flink_type(kind: str) -> str:
    if found := re.fullmatch(r"array<(.+)>", kind):
        return f"ARRAY<{flink_type(found[1])}>"
    if found := re.fullmatch(r"struct<(.+)>", kind):
        parts = [part.split(":") for part in re.split(r",(?![^(]*\))", found[1])]
        return f"ROW<{', '.join(f'{name} {flink_type(part)}' for name, part in parts)}>"
    return PLAIN.get(kind, kind.upper())


def declared(column: Column) -> str:
    return f"{column.name} {flink_type(column.type)}" + ("" if column.nullable else " NOT NULL")


def short(topic: Topic) -> str:
    return topic.name.partition(".")[2].replace(".", "_")


def making(name: str) -> list[str]:
    """Lines of the table's body."""
    (statement,) = [text for text in STATEMENTS if re.match(rf"CREATE[^(]*\b{name} \(", text)]
    body = statement[statement.index("(") + 1 :]
    return [line.strip().rstrip(",").replace("`", "") for line in body.splitlines() if line.strip()]


@pytest.mark.parametrize("topic", ECOMMERCE_TOPICS, ids=lambda topic: str(topic.name))
def test_a_topic_is_read_and_written_with_the_fields_of_the_catalogue(topic: Topic) -> None:
    lines = making(short(topic))
    assert lines[: len(topic.columns)] == [declared(column) for column in topic.columns]
    assert any(f"'topic' = '{topic.name}'" in line for line in lines)


def test_sessions_have_the_columns_and_the_key_of_the_catalogue() -> None:
    lines = making("sessions")
    assert lines[: len(SESSIONS.columns)] == [
        declared(column).replace("TIMESTAMP(3)", "TIMESTAMP_LTZ(6)") for column in SESSIONS.columns
    ]
    assert f"PRIMARY KEY ({', '.join(SESSIONS.key)}) NOT ENFORCED" in lines


def test_every_topic_and_table_of_the_project_is_in_it() -> None:
    text = "\n".join(STATEMENTS)
    assert set(re.findall(r"'topic' = '([^']+)'", text)) == {topic.name for topic in ECOMMERCE_TOPICS}
    assert {f"iceberg.{name}" for name in re.findall(r"INSERT INTO lake\.([\w.]+)", text)} == {
        table.full_name for table in ECOMMERCE_TABLES
    }


@pytest.mark.parametrize("kind", INVALID)
def test_what_breaks_a_rule_is_left_out_by_the_same_rule(kind: str) -> None:
    (view,) = [
        text for text in STATEMENTS if text.startswith(f"CREATE TEMPORARY VIEW {short(EVENT_TOPICS[kind])}_whole ")
    ]
    assert f"NOT ({' OR '.join(INVALID[kind].values())})" in view
    assert "definitions.clock_ahead_minutes" in view


@pytest.mark.parametrize("kind", EVENT_TOPICS)
def test_the_first_of_an_event_stays_by_its_identity(kind: str) -> None:
    topic = EVENT_TOPICS[kind]
    (view,) = [text for text in STATEMENTS if text.startswith(f"CREATE TEMPORARY VIEW {short(topic)}_once ")]
    assert f"PARTITION BY {', '.join(topic.identity)} ORDER BY PROCTIME()" in view.replace("`", "")


def test_it_asks_for_numbers_that_there_are_and_holds_none_of_its_own() -> None:
    text = "\n".join(STATEMENTS)
    asked = set(re.findall(r"\{\{ definitions\.(\w+) \}\}", text))
    assert {"session_gap_minutes", "lateness_minutes", "clock_ahead_minutes"} <= asked <= set(parameters())
    assert re.findall(r"INTERVAL '\d", text) == []


def test_one_statement_at_the_end_starts_the_job() -> None:
    assert [is_job(statement) for statement in STATEMENTS] == [False] * (len(STATEMENTS) - 1) + [True]


def test_no_password_and_no_address_is_in_it() -> None:
    text = "\n".join(file.read_text(encoding="utf-8") for file in FOLDER.iterdir())
    assert not re.search(r"password'|jaas|\d+\.\d+\.\d+\.\d+|localhost|:\d{4,5}\b", text, re.IGNORECASE)


def test_its_design_answers_what_a_stream_is_asked() -> None:
    text = (FOLDER / "DESIGN.md").read_text(encoding="utf-8")
    questions = ("Watermark", "Late data", "State", "Guarantee", "What leaks", "Replay")
    assert [word for word in questions if f"**{word}" not in text] == []
