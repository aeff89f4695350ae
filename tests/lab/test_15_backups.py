"""PostgreSQL of the running lab is backed up by its DAG, restored by the drill, and by a person's command."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.lab.conftest import LabUnderTest

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module")
def listed(installed: LabUnderTest) -> dict[str, Any]:
    """What is known of the backups after a run of the DAG."""
    done = json.loads(installed.quintet("backup", "run", "--json").stdout)
    assert done["state"] == "success"
    found: dict[str, Any] = json.loads(installed.quintet("backup", "list", "--json").stdout)
    return found


def test_the_dag_takes_a_backup_and_proves_it(installed: LabUnderTest, listed: dict[str, Any]) -> None:
    assert [entry["kind"] for entry in listed["backups"]][:1] == ["full"]
    assert listed["drill"]["tables"] > 1
    assert listed["drill"]["restored_in_s"] > 0
    # Airflow writes all the time.
    assert listed["last"]["lost_s"] < 900
    assert not (installed.lab.path("data") / "postgres-drill").exists()
    report = json.loads(installed.quintet("doctor", "--json").stdout)["checks"]
    told = {check["name"]: check for check in report}
    assert told["log is archived"]["ok"]
    assert "the newest of" in told["backups are young"]["detail"]


@pytest.mark.usefixtures("listed")
def test_a_person_restores_into_a_folder(installed: LabUnderTest) -> None:
    target = installed.lab.path("data") / "brought-back"
    installed.quintet("backup", "restore", str(target), "--json")
    assert (target / "PG_VERSION").read_text() == (installed.lab.path("data") / "postgres" / "PG_VERSION").read_text()
