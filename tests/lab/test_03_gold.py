"""Gold on the running lab, by dbt itself: unit tests, the age of the sources, and the history of segments."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.lab.conftest import COMMAND_LIMIT, LabUnderTest

from quintet import dbt

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("shop")]

SEGMENTS = "iceberg.gold_lakehouse.customer_segments"


def run_dbt(lab: LabUnderTest, work: Path, *arguments: str) -> list[dict[str, Any]]:
    """Results of one dbt command on the deployed project, its artefacts below `work`; fails the test when it fails."""
    given = {**os.environ, **dbt.environment(lab.lab), "DBT_LOG_PATH": str(work)}
    given.pop("DBT_EXCLUDE_RESOURCE_TYPES")
    project = dbt.project(lab.lab)
    program = lab.lab.environment("dbt").program("dbt")
    done = subprocess.run(
        [program, *arguments, "--project-dir", project, "--profiles-dir", project, "--target-path", work],
        cwd=work,
        env=given,
        text=True,
        capture_output=True,
        timeout=COMMAND_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    name = "sources.json" if arguments[0] == "source" else "run_results.json"
    found: list[dict[str, Any]] = json.loads((work / name).read_text(encoding="utf-8"))["results"]
    return found


def versions(lab: LabUnderTest) -> int:
    return int(lab.value(f"select count(*) from {SEGMENTS}"))


def test_every_unit_test_of_dbt_passes_on_trino(installed: LabUnderTest, tmp_path: Path) -> None:
    results = run_dbt(installed, tmp_path, "test", "--select", "test_type:unit")
    assert results
    assert {result["status"] for result in results} == {"pass"}


def test_a_run_of_the_pipeline_has_written_the_segments_of_its_customers(installed: LabUnderTest) -> None:
    current = f"select count(*) from {SEGMENTS} where dbt_valid_to is null"
    assert installed.value(current) == installed.value("select count(*) from iceberg.gold_lakehouse.customer_rfm") > 0


def test_a_second_build_without_changes_adds_no_version_of_a_segment(installed: LabUnderTest, tmp_path: Path) -> None:
    select = ("build", "--select", "+customer_segments")
    run_dbt(installed, tmp_path, *select)
    before = versions(installed)
    results = run_dbt(installed, tmp_path, *select)
    assert any(result["unique_id"].endswith(".customer_segments") for result in results)
    assert versions(installed) == before > 0


def test_silver_that_was_just_loaded_is_fresh(installed: LabUnderTest, tmp_path: Path) -> None:
    (result,) = run_dbt(installed, tmp_path, "source", "freshness")
    assert result["status"] == "pass"
    assert 0 <= result["max_loaded_at_time_ago_in_s"] < 86400
