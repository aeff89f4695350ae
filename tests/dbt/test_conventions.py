"""Conventions of the dbt project: every mart has a twin file that says what a row is, and tests that hold it to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from quintet.dbt import PROFILE, TARGET

PROJECT = Path(__file__).parents[2] / "dbt"
MARTS = sorted((PROJECT / "models" / "marts").glob("*/*.sql"))
MODELS = sorted((PROJECT / "models").rglob("*.sql"))
REF = re.compile(r"ref\('(\w+)'\)")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def twin(mart: Path) -> dict[str, Any]:
    [model] = read(mart.with_suffix(".yml"))["models"]
    assert model["name"] == mart.stem
    return dict(model)


def named(tests: list[Any], name: str) -> Iterator[Any]:
    """Arguments of the tests of that name; an empty dict when it is named without."""
    for test in tests:
        if test == name:
            yield {}
        elif isinstance(test, dict) and name in test:
            yield test[name].get("arguments", {})


def parents(model: Path) -> set[str]:
    return set(REF.findall(model.read_text(encoding="utf-8")))


def ancestors(name: str) -> set[str]:
    """Everything that dbt builds before a model."""
    direct = {path.stem: parents(path) for path in MODELS}
    found: set[str] = set()
    left = [name]
    while left:
        new = direct[left.pop()] - found
        found |= new
        left.extend(new)
    return found


def relationships(model: dict[str, Any]) -> Iterator[str]:
    for column in model["columns"]:
        for arguments in named(column.get("data_tests", []), "relationships"):
            [target] = REF.findall(arguments["to"])
            yield target


def test_there_are_marts() -> None:
    assert MARTS


def test_no_twin_file_is_without_a_mart() -> None:
    declared = {
        model["name"]
        for path in (PROJECT / "models" / "marts").rglob("*.yml")
        for model in read(path).get("models", [])
    }
    assert declared == {mart.stem for mart in MARTS}


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.stem)
def test_a_mart_starts_its_description_with_the_grain(mart: Path) -> None:
    assert twin(mart)["description"].startswith("One row a ")


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.stem)
def test_a_mart_has_a_tested_key(mart: Path) -> None:
    model = twin(mart)
    tests = {column["name"]: column.get("data_tests", []) for column in model["columns"]}
    single = [name for name, given in tests.items() if "unique" in given]
    combined = [name for given in named(model["data_tests"], "unique_combination") for name in given["columns"]]
    key = single or combined
    assert key
    assert all("not_null" in tests[name] for name in key)


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.stem)
def test_a_mart_has_an_enforced_contract_with_types_owner_and_class(mart: Path) -> None:
    model = twin(mart)
    assert model["config"]["contract"] == {"enforced": True}
    assert set(model["config"]["meta"]) == {"owner", "pii"}
    for column in model["columns"]:
        assert column["data_type"], column["name"]
        assert column["description"].endswith("."), column["name"]


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.stem)
def test_what_a_mart_is_compared_with_is_built_before_it(mart: Path) -> None:
    """Airflow builds one model at a time: dbt leaves out a test whose other side is no ancestor, without a word."""
    assert set(relationships(twin(mart))) <= ancestors(mart.stem)


@pytest.mark.parametrize("test", sorted((PROJECT / "tests").glob("*.sql")), ids=lambda test: test.stem)
def test_a_singular_test_is_reached_by_building_one_mart(test: Path) -> None:
    compared = parents(test)
    assert any(compared <= {mart.stem} | ancestors(mart.stem) for mart in MARTS)


def test_only_tests_whose_parents_are_built_run_and_dbt_does_not_call_home() -> None:
    flags = read(PROJECT / "dbt_project.yml")["flags"]
    assert flags["indirect_selection"] == "buildable"
    assert flags["send_anonymous_usage_stats"] is False


def test_the_profile_has_the_target_that_the_lab_calls() -> None:
    profile = read(PROJECT / "profiles.yml")[PROFILE]
    assert profile["target"] == TARGET
    assert set(profile["outputs"]) == {TARGET}
