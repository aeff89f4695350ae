"""Care and time travel on the running lab: Delta tables by delta-rs, Iceberg tables by Trino."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.lab.conftest import LabUnderTest

from quintet.runs.record import read

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("shop")]

CARE = "lakehouse_care_tables"
PROBE = "iceberg.gold_lakehouse.care_probe"
COUNTRIES = "iceberg.gold_lakehouse.dim_country"
LINES = "delta.silver_lakehouse.invoice_lines"


@pytest.fixture(scope="module")
def probe(installed: LabUnderTest) -> Iterator[str]:
    """An Iceberg table beside gold's own that six statements wrote: as many files."""
    installed.sql(f"drop table if exists {PROBE}")
    installed.sql(f"create table {PROBE} as select 0 as number, date '2011-01-01' as day")
    for number in range(1, 6):
        installed.sql(f"insert into {PROBE} values ({number}, date '2011-01-01' + interval '{number}' day)")
    yield PROBE
    installed.sql(f"drop table {PROBE}")


def cared(lab: LabUnderTest) -> dict[str, dict[str, Any]]:
    """Run the care's DAG; its result by table."""
    done = json.loads(lab.quintet("run", "lakehouse", "--dag", CARE, "--json").stdout)
    assert done["state"] == "success"
    result = read(lab.lab, "lakehouse", "care")
    assert result
    assert result["errors"] == []
    return {row["table"]: row for row in result["tables"]}


def count(lab: LabUnderTest, name: str, part: str, where: str = "true") -> int:
    """Entries of a metadata table of an Iceberg table."""
    catalog, schema, table = name.split(".")
    return int(lab.value(f'select count(*) from {catalog}.{schema}."{table}${part}" where {where}'))


def rows(lab: LabUnderTest, name: str) -> int:
    return int(lab.value(f"select count(*) from {name}"))


def travel(lab: LabUnderTest, verb: str, *arguments: str) -> Any:
    """What the command tells of versions."""
    told = json.loads(lab.quintet(verb, *arguments, "--json").stdout)
    return told["versions"] if verb == "history" else told


@dataclass(frozen=True)
class FirstCare:
    """Rows and number of files of the probe before the care, and what the care told of each table."""

    rows: list[dict[str, Any]]
    files: int
    found: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def first_care(installed: LabUnderTest, probe: str) -> FirstCare:
    before, files = installed.sql(f"select * from {probe} order by number"), count(installed, probe, "files")
    return FirstCare(before, files, cared(installed))


def test_care_joins_the_files_of_an_iceberg_table_and_keeps_its_rows(
    installed: LabUnderTest, probe: str, first_care: FirstCare
) -> None:
    found = first_care.found[probe]
    assert first_care.files == 6
    assert "compact" in found["done"]
    assert (found["files_before"], found["files_after"], found["rows"]) == (6, count(installed, probe, "files"), 6)
    assert found["files_after"] < 6
    assert found["read_seconds_before"] > 0
    assert found["read_seconds_after"] > 0
    assert installed.sql(f"select * from {probe} order by number") == first_care.rows


def test_every_table_of_the_project_is_measured(installed: LabUnderTest, first_care: FirstCare) -> None:
    from quintet.catalogue import tables

    known = {
        row["table"]
        for row in installed.sql(
            "select 'iceberg.' || table_schema || '.' || table_name as \"table\" "
            "from iceberg.information_schema.tables where table_schema = 'gold_lakehouse' and table_type = 'BASE TABLE'"
        )
    } | {table.full_name for table in tables("lakehouse") if table.catalog == "delta"}
    assert set(first_care.found) == known
    assert first_care.found[LINES]["rows"] == rows(installed, LINES) > 0
    assert first_care.found[LINES]["files_after"] == 1


@pytest.mark.usefixtures("first_care")
def test_a_second_care_makes_no_snapshot_and_no_commit(installed: LabUnderTest, probe: str) -> None:
    snapshots = {name: count(installed, name, "snapshots") for name in (probe, COUNTRIES)}
    version = travel(installed, "history", LINES, "--limit", "1")[0]["version"]
    assert {name: row["done"] for name, row in cared(installed).items() if row["done"]} == {}
    assert {name: count(installed, name, "snapshots") for name in snapshots} == snapshots
    assert travel(installed, "history", LINES, "--limit", "1")[0]["version"] == version


def test_an_iceberg_table_is_rolled_back_to_a_snapshot_and_forth_again(installed: LabUnderTest) -> None:
    installed.sql(f"delete from {COUNTRIES} where true")
    versions = travel(installed, "history", COUNTRIES)
    assert [version["rows"] for version in versions[:2]] == [0, versions[1]["rows"]]
    assert versions[0]["is_current"]
    full, empty = versions[1], versions[0]
    assert full["rows"] > 0

    done = travel(installed, "rollback", COUNTRIES, str(full["version"]))
    assert (done["from"], done["version"], done["rows"]) == (empty["version"], full["version"], full["rows"])
    assert rows(installed, COUNTRIES) == full["rows"]
    travel(installed, "rollback", COUNTRIES, str(empty["version"]))
    assert rows(installed, COUNTRIES) == 0
    travel(installed, "rollback", COUNTRIES, str(full["version"]))
    assert rows(installed, COUNTRIES) == full["rows"]


def test_an_unknown_snapshot_is_refused_with_those_that_exist(installed: LabUnderTest) -> None:
    known = travel(installed, "history", COUNTRIES)[0]["version"]
    refused = installed.quintet("rollback", COUNTRIES, "7", expect=6)
    assert re.search(rf"dim_country has no version 7\. It has: .*{known}", refused.stderr.replace("\n", " "))


def test_a_delta_table_is_rolled_back_and_trino_reads_the_old_rows(installed: LabUnderTest) -> None:
    latest = travel(installed, "history", LINES, "--limit", "1")[0]
    assert rows(installed, LINES) == latest["rows"] > 0
    travel(installed, "rollback", LINES, "0")
    assert rows(installed, LINES) == 0
    travel(installed, "rollback", LINES, str(latest["version"]))
    assert rows(installed, LINES) == latest["rows"]
    installed.quintet("verify", "lakehouse")
