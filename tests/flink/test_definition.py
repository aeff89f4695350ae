"""Definitions of jobs: what is read, what is refused, what makes another version."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from quintet.flink.definition import JobDefinition, Thresholds, job_folders, read_job, read_jobs
from quintet.flink.errors import JobDefinitionError

GOOD = {
    "name": "numbers",
    "description": "Numbers",
    "owner": "somebody",
    "sources": ["a.b.c"],
    "sinks": ["iceberg.silver_a.b"],
    "compatibility": "none",
    "alerts": {"consumer_lag": 10},
}


def write(root: Path, sql: str = "SET 'a' = 'b';\nINSERT INTO x SELECT 1;", **changes: object) -> Path:
    folder = root / "flink_jobs" / "lakehouse" / "numbers"
    folder.mkdir(parents=True, exist_ok=True)
    content = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    (folder / "job.yaml").write_text(yaml.safe_dump(content))
    (folder / "statements.sql").write_text(sql)
    return folder


def test_a_folder_is_read_with_its_files_in_order(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "00_first.sql").write_text("CREATE TEMPORARY TABLE x (n INT);")
    job = read_job(folder)
    assert job.full_name == "lakehouse/numbers"
    assert job.statements == ("CREATE TEMPORARY TABLE x (n INT)", "SET 'a' = 'b'", "INSERT INTO x SELECT 1")
    assert job.alerts == Thresholds(consumer_lag=10)
    assert read_jobs(tmp_path, "lakehouse") == [job]
    assert job_folders(tmp_path) == [folder]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "other"}, "name is not that of its folder"),
        ({"owner": None}, "lacks: owner"),
        ({"colour": "red"}, "unknown: colour"),
        ({"parallelism": 0}, "parallelism is 0"),
        ({"options": {"parallelism.default": "2"}}, "sets parallelism.default itself"),
        ({"alerts": {"lag": 1}}, "consumer_lag"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    with pytest.raises(JobDefinitionError, match=told):
        read_job(write(tmp_path, **changes))


@pytest.mark.parametrize(
    "sql",
    ["SET 'a' = 'b';", "INSERT INTO x SELECT 1; INSERT INTO x SELECT 2;", "INSERT INTO x SELECT 1; SET 'a' = 'b';"],
)
def test_exactly_one_statement_at_the_end_starts_a_job(tmp_path: Path, sql: str) -> None:
    with pytest.raises(JobDefinitionError, match="statements start a job"):
        read_job(write(tmp_path, sql))


def test_a_job_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    folder = write(tmp_path)
    with pytest.raises(JobDefinitionError, match="Jobs beside it: numbers"):
        read_job(folder.with_name("letters"))


def test_the_version_follows_what_the_job_does_and_nothing_else(tmp_path: Path) -> None:
    job = read_job(write(tmp_path))
    same = [
        read_job(write(tmp_path, "-- why\nSET 'a' = 'b';\n\nINSERT INTO x SELECT 1;")),
        dataclasses.replace(job, description="Other words", alerts=Thresholds(restarts=1), start_within_s=9),
    ]
    others = [
        read_job(write(tmp_path, "SET 'a' = 'b'; INSERT INTO x SELECT 2;")),
        dataclasses.replace(job, parallelism=2),
        dataclasses.replace(job, checkpoint_interval_s=60),
        dataclasses.replace(job, options={"table.exec.mini-batch.enabled": "true"}),
    ]
    assert {other.version for other in same} == {job.version}
    assert len({job.version, *(other.version for other in others)}) == 5


def test_a_definition_comes_back_from_the_ledger_as_it_went_also_from_a_later_release(tmp_path: Path) -> None:
    job = read_job(write(tmp_path))
    content = json.loads(json.dumps(job.as_json()))
    assert JobDefinition.from_json(content) == job
    assert JobDefinition.from_json({**content, "new": 1, "alerts": {**content["alerts"], "new": 2}}) == job


def test_numbers_of_a_project_are_put_in_and_are_part_of_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from quintet.ecommerce import definitions

    folder = write(tmp_path, "INSERT INTO x SELECT {{ definitions.lateness_minutes }}, '{{ kafka.servers }}';")
    ours = tmp_path / "flink_jobs" / "ecommerce"
    folder.parent.rename(ours)
    before = read_job(ours / "numbers")
    expected = f"INSERT INTO x SELECT {definitions.LATENESS_MS // 60_000}, '{{{{ kafka.servers }}}}'"
    assert before.statements == (expected,)
    monkeypatch.setattr(definitions, "LATENESS_MS", 1000 * 60)
    assert read_job(ours / "numbers").version != before.version


@pytest.mark.parametrize("slug", ["ecommerce", "lakehouse", "nothing"])
def test_a_number_that_a_project_does_not_give_is_refused(tmp_path: Path, slug: str) -> None:
    folder = write(tmp_path, "INSERT INTO x SELECT {{ definitions.colour }};")
    ours = tmp_path / "flink_jobs" / slug
    folder.parent.rename(ours)
    with pytest.raises(JobDefinitionError, match=rf"asks for 'definitions.colour'.*quintet.{slug}.definitions"):
        read_job(ours / "numbers")
