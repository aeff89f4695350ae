"""The catalogue and the dbt marts name the same gold tables, and the marts can be read as catalogue entries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quintet.catalogue import PROJECTS, Layer, Pii, Project, Table, tables
from quintet.catalogue.gold import described, read_mart, read_marts
from quintet.errors import QuintetError

MARTS = Path(__file__).parents[2] / "dbt" / "models" / "marts"
TYPE = re.compile(r"string|long|integer|date|timestamp|boolean|double|decimal\(\d+,\d+\)")
GOLD = [entry for entry in tables() if entry.layer is Layer.GOLD]

MART = """
version: 2
models:
  - name: shops
    description: One row a shop.
    config:
      contract: {enforced: true}
      meta: {owner: retail-data, pii: indirect}
    columns:
      - {name: shop_id, data_type: bigint, description: Shop., data_tests: [unique, not_null]}
      - {name: town, data_type: varchar, description: Town., config: {meta: {pii: indirect}}}
"""


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.slug)
def test_the_catalogue_names_exactly_the_marts_that_exist(project: Project) -> None:
    named = {entry.name for entry in project.tables if entry.layer is Layer.GOLD}
    assert named == {mart.name for mart in read_marts(MARTS / project.slug)}


@pytest.mark.parametrize("entry", GOLD, ids=lambda entry: entry.full_name)
def test_a_gold_table_gets_columns_of_known_types_and_its_key_from_the_mart(entry: Table) -> None:
    found = described(entry, MARTS)
    names = [column.name for column in found.columns]
    assert len(names) == len(set(names))
    assert found.key
    assert set(found.key) <= set(names)
    for column in found.columns:
        assert TYPE.fullmatch(column.type), f"{entry.full_name}.{column.name}: {column.type}"
        assert column.description


@pytest.mark.parametrize("entry", GOLD, ids=lambda entry: entry.full_name)
def test_a_mart_has_the_highest_class_of_its_columns_and_the_owner_of_the_catalogue(entry: Table) -> None:
    mart = read_mart(MARTS / entry.project / f"{entry.name}.yml")
    assert mart.pii is described(entry, MARTS).pii
    assert mart.owner == entry.owner


def test_gold_holds_nothing_that_identifies_by_itself() -> None:
    assert all(described(entry, MARTS).pii is not Pii.DIRECT for entry in GOLD)


def test_a_twin_file_becomes_a_mart(tmp_path: Path) -> None:
    path = tmp_path / "shops.yml"
    path.write_text(MART, encoding="utf-8")
    mart = read_mart(path)
    assert (mart.name, mart.owner, mart.pii, mart.key) == ("shops", "retail-data", Pii.INDIRECT, ("shop_id",))
    assert mart.is_enforced
    assert [(column.name, column.type, column.nullable) for column in mart.columns] == [
        ("shop_id", "long", False),
        ("town", "string", True),
    ]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("name: shops", "name: stores", "does not declare exactly the model 'shops'"),
        ("owner: retail-data, ", "", "'owner' is not declared"),
        ("data_type: varchar, ", "", "'data_type' is not declared"),
        ("pii: indirect}\n    columns", "pii: secret}\n    columns", "secret"),
        ("version: 2", "version: [", "is no YAML"),
    ],
)
def test_a_twin_file_that_declares_something_else_is_refused(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in MART
    path = tmp_path / "shops.yml"
    path.write_text(MART.replace(before, after), encoding="utf-8")
    with pytest.raises(QuintetError, match=re.escape(message)):
        read_mart(path)


def test_a_mart_without_twin_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shops.sql").write_text("select 1", encoding="utf-8")
    with pytest.raises(QuintetError, match="does not exist"):
        read_marts(tmp_path)
