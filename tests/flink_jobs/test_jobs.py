"""The jobs of the repository: they can be read and rendered, and name what the catalogue declares."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paths import ROOT
from quintet.catalogue import Column, SourceTable, tables, topics
from quintet.catalogue.shop import SHOP, iceberg_copy
from quintet.flink.definition import JobDefinition, job_folders, read_job
from quintet.settings import Lab

FOLDERS = job_folders(ROOT)
#: Types of the catalogue in Flink's words, in a table of Iceberg.
TYPES = {
    "string": "STRING",
    "long": "BIGINT",
    "integer": "INT",
    "boolean": "BOOLEAN",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP_LTZ(6)",
}
QUESTIONS = ("Watermark", "Late data", "State", "Guarantee", "What leaks", "Replay")


def by_job(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.fixture(params=FOLDERS, ids=by_job)
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_it_is_read_and_rendered_without_a_name_that_is_unknown(folder: Path, streaming_lab: Lab) -> None:
    statements = read_job(folder).rendered(streaming_lab)
    assert len(statements) > 1
    assert not any("{{" in statement for statement in statements)


def test_its_sources_and_sinks_are_those_of_its_sql_and_of_the_catalogue(folder: Path) -> None:
    job = read_job(folder)
    text = "\n".join(job.statements)
    read = set(re.findall(r"'topic' = '([^']+)'", text))
    written = {f"iceberg.{name}" for name in re.findall(r"INSERT INTO lake\.([\w.]+)", text)}
    written |= {f"postgres.{name}" for name in re.findall(r"'table-name' = '([^']+)'", text)}
    assert set(job.sources) | set(job.sinks) == read | written
    known = {topic.name for topic in topics()} | {table.full_name for table in tables()}
    assert set(job.sources) | set(job.sinks) <= known


def test_no_password_and_no_address_is_in_it(folder: Path) -> None:
    text = "\n".join(file.read_text(encoding="utf-8") for file in folder.iterdir())
    assert not re.search(r"password'|jaas|\d+\.\d+\.\d+\.\d+|localhost|:\d{4,5}\b", text, re.IGNORECASE)


def test_its_design_answers_what_a_stream_is_asked(folder: Path) -> None:
    text = (folder / "DESIGN.md").read_text(encoding="utf-8")
    assert [word for word in QUESTIONS if f"**{word}" not in text] == []


def columns_of(statement: str) -> list[str]:
    body = statement[statement.index("(") + 1 : statement.index("PRIMARY KEY")]
    return [line.strip().rstrip(",").replace("`", "") for line in body.splitlines() if line.strip()]


def making(job: JobDefinition, table: str) -> str:
    (statement,) = [text for text in job.statements if re.match(rf"CREATE[^(]*\b{table} \(", text)]
    return statement


def declared(column: Column) -> str:
    kind = TYPES.get(column.type, column.type.upper())
    return f"{column.name} {kind}" + ("" if column.nullable else " NOT NULL")


@pytest.mark.parametrize("source", SHOP.tables, ids=lambda table: str(table.name))
def test_a_copy_of_the_shop_has_the_columns_and_the_key_of_the_catalogue(source: SourceTable) -> None:
    job = read_job(ROOT / "flink_jobs" / "lakehouse" / "shop_to_silver")
    copy = iceberg_copy(source)
    made, read = making(job, copy.name), making(job, f"{source.name}_changes")
    assert columns_of(made) == [declared(column) for column in copy.columns]
    assert [line.split()[0] for line in columns_of(read)] == [column.name for column in source.columns]
    for statement in (made, read):
        assert f"PRIMARY KEY ({', '.join(copy.key)}) NOT ENFORCED" in statement
    assert f"'topic' = '{source.topic.name}'" in read
    assert "'write.upsert.enabled' = 'true'" in made


def test_no_copy_of_the_shop_counts_rows_before_it_replaces_them() -> None:
    job = read_job(ROOT / "flink_jobs" / "lakehouse" / "shop_to_silver")
    assert job.options["table.exec.sink.upsert-materialize"] == "NONE", "rows that are sent twice would stay for ever"
