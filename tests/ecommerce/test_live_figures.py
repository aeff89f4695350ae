"""The SQL of the shop's streams names what the catalogue and the definitions say."""

from __future__ import annotations

import re

import pytest

from paths import ROOT
from quintet.catalogue.ecommerce import ECOMMERCE_TABLES, ECOMMERCE_TOPICS, EVENT_TOPICS
from quintet.catalogue.model import Column, Layer, Table, Topic, Writer
from quintet.ecommerce.definitions import INVALID, parameters
from quintet.flink.definition import read_job
from quintet.flink.sqltext import is_job, split

FOLDERS = sorted((ROOT / "flink_jobs" / "ecommerce").iterdir())
BY_JOB = {
    folder.name: [
        statement
        for file in sorted(folder.glob("*.sql"))
        for statement in split(file.read_text(encoding="utf-8"), where=file.name)
    ]
    for folder in FOLDERS
}
STATEMENTS = [statement for statements in BY_JOB.values() for statement in statements]
#: Tables of the project that streams write.
WRITTEN = [table for table in ECOMMERCE_TABLES if table.writer is Writer.FLINK]
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
    # A table that both jobs read is the same in both.
    (statement,) = {text for text in STATEMENTS if re.match(rf"CREATE[^(]*\b{name} \(", text)}
    body = statement[statement.index("(") + 1 :]
    return [line.strip().rstrip(",").replace("`", "") for line in body.splitlines() if line.strip()]


@pytest.mark.parametrize("topic", ECOMMERCE_TOPICS, ids=lambda topic: str(topic.name))
def test_a_topic_is_read_and_written_with_the_fields_of_the_catalogue(topic: Topic) -> None:
    lines = making(short(topic))
    assert lines[: len(topic.columns)] == [declared(column) for column in topic.columns]
    assert any(f"'topic' = '{topic.name}'" in line for line in lines)


@pytest.mark.parametrize("table", WRITTEN, ids=lambda table: str(table.name))
def test_a_table_is_made_with_the_columns_of_the_catalogue(table: Table) -> None:
    is_served = table.layer is Layer.LIVE
    lines = making(f"live_{table.name}" if is_served else table.name)
    instant = "TIMESTAMP(3)" if is_served else "TIMESTAMP_LTZ(6)"
    assert lines[: len(table.columns)] == [
        declared(column).replace("TIMESTAMP(3)", instant) for column in table.columns
    ]


@pytest.mark.parametrize("table", [table for table in WRITTEN if table.layer is Layer.LIVE], ids=lambda t: str(t.name))
def test_a_table_that_is_served_is_replaced_by_the_key_of_the_catalogue(table: Table) -> None:
    lines = making(f"live_{table.name}")
    assert f"PRIMARY KEY ({', '.join(table.key)}) NOT ENFORCED" in lines
    assert any(f"'table-name' = '{table.schema}.{table.name}'" in line for line in lines)


def test_every_topic_and_table_of_the_project_is_in_them() -> None:
    text = "\n".join(STATEMENTS)
    assert set(re.findall(r"'topic' = '([^']+)'", text)) == {topic.name for topic in ECOMMERCE_TOPICS}
    inserted = {f"iceberg.{name}" for name in re.findall(r"INSERT INTO lake\.([\w.]+)", text)}
    inserted |= {f"postgres.live_ecommerce.{name}" for name in re.findall(r"INSERT INTO live_(\w+)", text)}
    assert inserted == {table.full_name for table in WRITTEN}


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
    assert asked == set(parameters()) - {"duplicates_within_minutes"}
    # The grain of the figures, how often they are corrected, and the smallest time that there is.
    units = {"INTERVAL '1' MINUTE", "INTERVAL '1' SECOND", "INTERVAL '0.001' SECOND"}
    assert set(re.findall(r"INTERVAL '[\d.]+' \w+", text)) == units


@pytest.mark.parametrize("job", BY_JOB)
def test_one_statement_at_the_end_starts_a_job(job: str) -> None:
    assert [is_job(text) for text in BY_JOB[job]] == [False] * (len(BY_JOB[job]) - 1) + [True]


@pytest.mark.parametrize("kind", INVALID)
def test_what_breaks_a_rule_goes_to_quarantine_with_its_name(kind: str) -> None:
    (view,) = [text for text in BY_JOB["live_figures"] if text.startswith("CREATE TEMPORARY VIEW refused ")]
    (part,) = [part for part in view.split("UNION ALL") if f"SELECT '{kind}'" in part]
    for name, rule in INVALID[kind].items():
        assert f"WHEN {rule} THEN '{name}'" in part
        assert rule in part.rpartition("WHERE")[2]
    assert "THEN 'clock_ahead'" in part


def test_streams_that_forget_say_when_and_the_one_with_stock_forgets_nothing() -> None:
    figures, products = (
        read_job(ROOT / "flink_jobs" / "ecommerce" / name) for name in ("live_figures", "live_products")
    )
    assert figures.options["table.exec.state.ttl"] == "1 h"
    assert "table.exec.state.ttl" not in products.options, "stock is a sum over all times"
