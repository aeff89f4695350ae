"""Throwing the data away on the running lab: what took long to install stays, and the next run finds it as new.

Nothing of what was run before outlives it: the files after it see its last run only.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import pytest
from tests.lab.conftest import LabUnderTest, Shop

pytestmark = [pytest.mark.lab, pytest.mark.long]

#: Input of the run after it: the folder of the runs before is gone with the data.
DAYS, SEED = "4", "23"


@dataclass(frozen=True)
class Kept:
    """What a reset must leave alone."""

    #: Stamp of each installed program -> inode and time of writing: an installation writes it anew.
    programs: dict[str, tuple[int, int]]
    secrets: str
    #: File of the backups -> hash of its content, without the lists of PostgreSQL's repository: it goes on.
    backups: dict[str, str]


def kept(lab: LabUnderTest) -> Kept:
    """State of it now."""
    folders = lab.lab.path("envs"), lab.lab.path("programs")
    stamps = [path for folder in folders for depth in ("*", "*/*") for path in folder.glob(f"{depth}/.stamp")]
    folder = lab.lab.path("backups")
    backups = [path for path in folder.rglob("*") if path.is_file() and ".info" not in path.name]
    return Kept(
        programs={str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in stamps},
        secrets=lab.lab.file.with_name("secrets.yaml").read_text(encoding="utf-8"),
        backups={str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in backups},
    )


def rows(lab: LabUnderTest) -> dict[str, int | None]:
    """Rows of each table of the project; None: it is not there."""
    told = json.loads(lab.quintet("tables", "--project", "lakehouse", "--json").stdout)
    return {row["table"]: row["rows"] for row in told}


@pytest.fixture(scope="module")
def before(installed: LabUnderTest, shop: Shop) -> Kept:
    """What there was before the reset, of a lab with tables, input and a backup."""
    (installed.lab.path("backups") / "of-yesterday.txt").write_text("a backup", encoding="utf-8")
    assert rows(installed)["delta.bronze_lakehouse.invoice_lines"]
    assert shop.folder.is_dir()
    found = kept(installed)
    installed.playbook("playbooks/reset.yml")
    return found


def test_a_reset_keeps_programs_secrets_and_backups(installed: LabUnderTest, before: Kept) -> None:
    # Three kinds of programs and at least the environments of services, Spark, dbt and Airflow.
    assert len(before.programs) >= 7
    assert "of-yesterday.txt" in before.backups
    assert any(name.startswith("postgres/archive/main/") for name in before.backups), "the log was archived"
    after = kept(installed)
    assert (after.programs, after.secrets) == (before.programs, before.secrets)
    assert before.backups.items() <= after.backups.items()


@pytest.mark.usefixtures("before")
def test_a_reset_empties_tables_input_records_and_alerts(installed: LabUnderTest) -> None:
    found = rows(installed)
    assert {name: number for name, number in found.items() if number} == {}
    # Delta tables are made again; dbt makes those of gold in its first build, a job of Flink its own.
    assert {name for name, number in found.items() if number is None} == {
        name for name in found if name.startswith("iceberg.")
    }
    lab = installed.lab
    assert list(lab.path("input").iterdir()) == []
    assert list((lab.path("data") / "runs").iterdir()) == []
    assert list(lab.path("docs").iterdir()) == []
    assert installed.alerts() == []


@pytest.mark.usefixtures("before")
def test_after_a_reset_every_service_runs(installed: LabUnderTest) -> None:
    services = json.loads(installed.quintet("status", "--json").stdout)["services"]
    assert {service["name"] for service in services} == {service.name for service in installed.lab.services}
    assert {service["state"] for service in services} == {"RUNNING"}
    report = json.loads(installed.quintet("doctor", "--json").stdout)
    assert [check for check in report["checks"] if not check["ok"]] == []


@pytest.mark.usefixtures("before")
def test_after_a_reset_a_run_gives_the_truth_of_its_input(installed: LabUnderTest) -> None:
    folder = installed.lab.path("input") / "after-reset"
    installed.quintet("generate", "lakehouse", "--days", DAYS, "--seed", SEED, "--out", str(folder))
    done = json.loads(installed.quintet("run", "lakehouse", "--input", str(folder), "--json").stdout)
    assert done["state"] == "success"
    report = json.loads(installed.quintet("verify", "lakehouse", "--json").stdout)
    assert [check for check in report["checks"] if not check["ok"]] == []
