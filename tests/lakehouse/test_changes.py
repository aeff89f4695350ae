"""When a layer has something to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake

from paths import ROOT
from quintet.catalogue import Table
from quintet.catalogue.lakehouse import CUSTOMERS, INVOICE_LINES, INVOICE_LINES_RAW, QUARANTINE
from quintet.errors import QuintetError
from quintet.lake.create import create_tables
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lakehouse.changes import find_changes, record
from quintet.settings import Lab


@pytest.fixture
def lake(lab: Lab) -> Lab:
    create_tables(lab, trino=False)
    return lab


def commit(lab: Lab, table: Table = INVOICE_LINES_RAW) -> None:
    path = delta_path(lab, table)
    write_deltalake(path, pa.table({f.name: pa.array([], f.type) for f in arrow_schema(table)}), mode="overwrite")


def one_row(table: Table) -> pa.Table:
    """A row with any value in every column."""

    def any_value(kind: pa.DataType) -> object:
        if pa.types.is_decimal(kind):
            return Decimal(1)
        if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            return datetime(2011, 1, 1, tzinfo=UTC)
        if pa.types.is_boolean(kind):
            return True
        return "any" if pa.types.is_string(kind) else 1

    schema = arrow_schema(table)
    return pa.table([pa.array([any_value(field.type)], field.type) for field in schema], schema=schema)


def settle(lab: Lab, layer: str) -> None:
    record(layer, find_changes(layer, lab_file=str(lab.file)), lab_file=str(lab.file))


@pytest.mark.parametrize("layer", ["silver", "gold"])
def test_a_layer_that_was_never_built_has_something_to_do(layer: str, lake: Lab) -> None:
    assert find_changes(layer, lab_file=str(lake.file))["changed"] is True


@pytest.mark.parametrize("layer", ["silver", "gold"])
def test_a_layer_that_was_just_built_has_nothing_to_do(layer: str, lake: Lab) -> None:
    settle(lake, layer)
    found = find_changes(layer, lab_file=str(lake.file))
    assert (found["changed"], found["tables"]) == (False, [])


def test_a_landing_is_work_for_silver_and_not_yet_for_gold(lake: Lab) -> None:
    settle(lake, "silver")
    settle(lake, "gold")
    commit(lake)
    found = find_changes("silver", lab_file=str(lake.file))
    assert found["tables"] == ["delta.bronze_lakehouse.invoice_lines"]
    assert found["changed"] is True
    assert find_changes("gold", lab_file=str(lake.file))["changed"] is False


def test_a_persons_decision_on_quarantine_is_work_for_silver(lake: Lab) -> None:
    settle(lake, "silver")
    commit(lake, QUARANTINE)
    assert find_changes("silver", lab_file=str(lake.file))["tables"] == [QUARANTINE.full_name]


def test_the_care_of_a_table_is_no_work(lake: Lab) -> None:
    path = delta_path(lake, INVOICE_LINES)
    for _ in range(2):
        write_deltalake(path, one_row(INVOICE_LINES), mode="append")
    settle(lake, "gold")
    version = DeltaTable(path).version()
    DeltaTable(path).optimize.compact()
    assert DeltaTable(path).version() == version + 1
    assert find_changes("gold", lab_file=str(lake.file))["changed"] is False


@pytest.mark.parametrize("table", [INVOICE_LINES, CUSTOMERS], ids=lambda table: table.name)
def test_a_publication_is_work_for_gold(table: Table, lake: Lab) -> None:
    settle(lake, "gold")
    commit(lake, table)
    assert find_changes("gold", lab_file=str(lake.file))["changed"] is True


def test_a_run_that_failed_leaves_the_work_to_the_next(lake: Lab) -> None:
    settle(lake, "silver")
    commit(lake)
    first = find_changes("silver", lab_file=str(lake.file))
    assert find_changes("silver", lab_file=str(lake.file)) == first


def test_what_changes_during_a_build_is_work_for_the_next_run(lake: Lab) -> None:
    before = find_changes("silver", lab_file=str(lake.file))
    commit(lake)
    record("silver", before, lab_file=str(lake.file))
    assert find_changes("silver", lab_file=str(lake.file))["changed"] is True


def test_an_emptied_lake_is_another_lake_even_at_the_same_version(lake: Lab) -> None:
    settle(lake, "silver")
    path = delta_path(lake, INVOICE_LINES_RAW)
    version = DeltaTable(path).version()
    path.rename(path.with_name("away"))
    create_tables(lake, trino=False)
    assert DeltaTable(path).version() == version
    assert find_changes("silver", lab_file=str(lake.file))["tables"] == [INVOICE_LINES_RAW.full_name]


def test_another_release_is_work_for_gold(lake: Lab, tmp_path: Path) -> None:
    releases = tmp_path / "releases"
    for name in ("one", "two"):
        (releases / name).mkdir(parents=True)
    app = lake.path("app")
    app.rmdir()
    app.symlink_to(releases / "one")
    settle(lake, "gold")
    app.unlink()
    app.symlink_to(releases / "two")
    assert find_changes("gold", lab_file=str(lake.file))["tables"] == ["release"]


@pytest.mark.parametrize(
    ("asked", "changed"), [("", False), ("False", False), (False, False), ("True", True), ("2011-01-05", True)]
)
def test_a_person_may_ask_for_a_build_whatever_has_changed(asked: str | bool, changed: bool, lake: Lab) -> None:
    settle(lake, "silver")
    assert find_changes("silver", asked_for=asked, lab_file=str(lake.file))["changed"] is changed


def test_a_damaged_note_counts_as_none(lake: Lab) -> None:
    settle(lake, "silver")
    note = lake.path("data") / "runs" / "lakehouse" / "silver_built_from.json"
    note.write_text(json.dumps([1])[:-1], encoding="utf-8")
    assert find_changes("silver", lab_file=str(lake.file))["changed"] is True


def test_an_unknown_layer_is_refused(lake: Lab) -> None:
    with pytest.raises(QuintetError, match="no layer 'iron'"):
        find_changes("iron", lab_file=str(lake.file))


def test_gold_looks_at_what_dbt_reads(lake: Lab) -> None:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "dbt" / "models").rglob("*.yml")]
    read = {
        f"{source['database']}.{source['schema']}.{table['name']}"
        for content in files
        for source in content.get("sources", [])
        for table in source["tables"]
        if source["schema"].endswith("_lakehouse")
    }
    assert read == set(find_changes("gold", lab_file=str(lake.file))["versions"]) - {"release"}
