"""The catalogue is complete and does not contradict itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from quintet.catalogue import (
    PROFILES,
    PROJECTS,
    Column,
    Layer,
    Pii,
    Retention,
    Table,
    Writer,
    project,
    table,
    tables,
)
from quintet.errors import QuintetError

ROOT = Path(__file__).parents[2]
#: Delta types that the declared schemas may use.
TYPE = re.compile(r"string|long|integer|date|timestamp|boolean|double|decimal\(\d+,\d+\)")


def declared() -> list[Table]:
    return [entry for entry in tables() if entry.writer is not Writer.DBT]


def test_full_names_are_unique() -> None:
    names = [entry.full_name for entry in tables()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("entry", declared(), ids=lambda entry: entry.full_name)
def test_a_table_declares_described_columns_of_known_types_and_a_key_among_them(entry: Table) -> None:
    names = [column.name for column in entry.columns]
    assert len(names) == len(set(names))
    assert entry.key
    assert set(entry.key) <= set(names)
    assert set(entry.cluster_by) <= set(names)
    for column in entry.columns:
        assert TYPE.fullmatch(column.type), f"{entry.full_name}.{column.name}: {column.type}"
        assert column.description


def test_a_table_has_the_highest_class_of_its_columns() -> None:
    assert table("delta.silver_lakehouse.customers").pii is Pii.DIRECT
    assert table("delta.silver_lakehouse.invoice_lines").pii is Pii.INDIRECT
    assert table("delta.silver_lakehouse.products").pii is Pii.NONE


def test_rows_are_kept_by_a_column_of_their_table() -> None:
    with pytest.raises(ValueError, match="kept by seen_at"):
        Table(
            "p",
            Layer.SILVER,
            "t",
            "o",
            "d",
            Writer.FLINK,
            (Column("at", "timestamp", "d"),),
            retention=Retention(7, "seen_at"),
        )


def test_names_that_others_rely_on_exist() -> None:
    for name in (
        "delta.bronze_lakehouse.invoice_lines",
        "delta.silver_lakehouse.invoice_lines",
        "delta.silver_lakehouse.invoice_lines__quarantine",
        "delta.silver_lakehouse.customers",
        "delta.silver_lakehouse.products",
        "iceberg.gold_lakehouse.fct_sales",
    ):
        assert table(name).full_name == name


@pytest.mark.parametrize("entry", PROJECTS, ids=lambda entry: entry.slug)
def test_a_project_has_its_folders_page_dags_and_profiles(entry: object) -> None:
    slug = entry.slug  # type: ignore[attr-defined]
    found = project(slug)
    layers = {entry.layer for entry in found.tables} - {Layer.LIVE}
    writers = {entry.writer for entry in found.tables}
    folders = {Writer.SPARK: "spark_jobs", Writer.DBT: "dbt/models/marts", Writer.FLINK: "flink_jobs"}
    of_tables = [folder for writer, folder in folders.items() if writer in writers]
    for folder in ("dags", "include/quintet", "tests", *of_tables):
        assert (ROOT / folder / slug).is_dir(), f"{folder}/{slug} is missing"
    assert (ROOT / "docs" / "projects" / f"{slug}.md").is_file()
    assert {path.stem for path in (ROOT / "dags" / slug).glob("*.py")} == {dag.dag_id for dag in found.dags}
    assert found.entry_dag in {dag.dag_id for dag in found.dags}
    medallion = {Layer.BRONZE, Layer.SILVER, Layer.GOLD}
    # Streams alone make no bronze and no gold: topics are their bronze, tables that are served their gold.
    assert layers in (set(), medallion) or writers == {Writer.FLINK}, "a project has all layers, or a store of its own"


def test_profiles_are_those_of_the_playbook() -> None:
    text = (ROOT / "ansible" / "group_vars" / "all" / "profiles.yml").read_text(encoding="utf-8")
    assert set(yaml.safe_load(text)["profile_catalogue"]) == {profile.name for profile in PROFILES}
    assert {name for entry in PROJECTS for name in entry.profiles} <= {profile.name for profile in PROFILES}


def test_an_unknown_project_or_table_lists_what_there_is() -> None:
    with pytest.raises(QuintetError, match=r"Known projects: .*lakehouse"):
        project("nothing")
    with pytest.raises(QuintetError, match="quintet tables"):
        table("delta.bronze_lakehouse.nothing")
