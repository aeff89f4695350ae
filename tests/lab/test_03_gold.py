"""Gold on the running lab, by dbt itself: unit tests, the age of the sources, and the history of segments."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.lab.conftest import LabUnderTest
from tests.lab.gold import run_dbt

from quintet.catalogue import PROJECTS, Layer
from quintet.lake.trino import connect, query

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("shop")]

SEGMENTS = "iceberg.gold_lakehouse.customer_segments"


def versions(lab: LabUnderTest) -> int:
    return int(lab.value(f"select count(*) from {SEGMENTS}"))


def test_every_unit_test_of_dbt_passes_on_trino(installed: LabUnderTest, tmp_path: Path) -> None:
    # Where unit tests put what they compare: a project that has not run here has no schema yet.
    connection = connect(installed.lab)
    try:
        for project in PROJECTS:
            if any(table.layer is Layer.GOLD for table in project.tables):
                query(connection, f"CREATE SCHEMA IF NOT EXISTS iceberg.gold_{project.slug}")
    finally:
        connection.close()
    results = run_dbt(installed, tmp_path, "test", "--select", "test_type:unit")
    assert results
    assert {result["status"] for result in results} == {"pass"}


def test_a_run_of_the_pipeline_has_written_the_segments_of_its_customers(installed: LabUnderTest) -> None:
    current = f"select count(*) from {SEGMENTS} where dbt_valid_to is null"
    assert installed.value(current) == installed.value("select count(*) from iceberg.gold_lakehouse.customer_rfm") > 0


def test_a_second_build_without_changes_adds_no_version_of_a_segment(installed: LabUnderTest, tmp_path: Path) -> None:
    before = versions(installed)
    results = run_dbt(installed, tmp_path, "build", "--select", "customer_rfm", "customer_segments")
    assert any(result["unique_id"].endswith(".customer_segments") for result in results)
    assert versions(installed) == before > 0


def test_silver_that_was_just_loaded_is_fresh(installed: LabUnderTest, tmp_path: Path) -> None:
    (result,) = run_dbt(installed, tmp_path, "source", "freshness", "--select", "source:silver_lakehouse")
    assert result["status"] == "pass"
    assert 0 <= result["max_loaded_at_time_ago_in_s"] < 86400
