"""Conventions of the dbt project: every mart has a twin file that says what a row is, and tests that hold it to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from labs import lab_below
from quintet.dbt import PROFILE, TARGET, environment

PROJECT = Path(__file__).parents[2] / "dbt"
MARTS = sorted((PROJECT / "models" / "marts").glob("*/*.sql"))
MODELS = sorted((PROJECT / "models").rglob("*.sql"))
SNAPSHOTS = sorted((PROJECT / "snapshots").glob("*/*.yml"))
MACROS = {path.stem: path.read_text(encoding="utf-8") for path in (PROJECT / "macros").glob("*.sql")}
REF = re.compile(r"ref\('(\w+)'\)")
CALL = re.compile(r"\b(\w+)\(")
#: Marks of a model that computes: what a row is made of can be wrong in it.
COMPUTES = re.compile(r"\b(group by|over|case|distinct|where|unnest)\b", re.IGNORECASE)


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


def statement(model: Path) -> str:
    """Text of a model and of the macros that it calls, without comments."""
    text = model.read_text(encoding="utf-8")
    called = [MACROS[name] for name in CALL.findall(text) if name in MACROS]
    return re.sub(r"--.*|(?s:\{#.*?#\})", "", "\n".join([text, *called]))


def snapshot(path: Path) -> dict[str, Any]:
    [found] = read(path)["snapshots"]
    assert found["name"] == path.stem
    return dict(found)


def ancestors(name: str) -> set[str]:
    """Everything that dbt builds before a model or snapshot."""
    direct = {path.stem: parents(path) for path in MODELS}
    direct |= {path.stem: set(REF.findall(snapshot(path)["relation"])) for path in SNAPSHOTS}
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


def unit_tests() -> list[tuple[str, dict[str, Any]]]:
    """File stem and content of every unit test."""
    files = sorted((PROJECT / "models").rglob("*.yml"))
    return [(path.stem, test) for path in files for test in read(path).get("unit_tests", [])]


def exposures() -> list[dict[str, Any]]:
    files = sorted((PROJECT / "models").rglob("*.yml"))
    return [exposure for path in files for exposure in read(path).get("exposures", [])]


def sources() -> list[dict[str, Any]]:
    return [source for path in (PROJECT / "models").rglob("sources.yml") for source in read(path)["sources"]]


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
    assert model["columns"]
    for column in model["columns"]:
        assert column["data_type"], column["name"]
        assert column["description"].endswith("."), column["name"]


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.stem)
def test_what_a_mart_is_compared_with_is_built_before_it(mart: Path) -> None:
    """Airflow builds one model at a time: dbt leaves out a test whose other side is no ancestor, without a word."""
    assert set(relationships(twin(mart))) <= ancestors(mart.stem)


@pytest.mark.parametrize("test", sorted((PROJECT / "tests").glob("*.sql")), ids=lambda test: test.stem)
def test_a_singular_test_is_reached_by_building_one_mart_or_snapshot(test: Path) -> None:
    compared = parents(test)
    assert compared
    assert any(compared <= {built.stem} | ancestors(built.stem) for built in [*MARTS, *SNAPSHOTS])


@pytest.mark.parametrize("test", sorted((PROJECT / "tests").glob("*.sql")), ids=lambda test: test.stem)
def test_a_test_over_gold_belongs_to_no_model_below_it(test: Path) -> None:
    """Airflow goes on after a model when all tests that read it have ended: from staging on, everything would wait."""
    built = {path.stem for path in [*MARTS, *SNAPSHOTS]}
    assert parents(test) <= built, "ask the source in the place of its staging model"


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.stem)
def test_a_mart_that_computes_has_a_unit_test(mart: Path) -> None:
    if COMPUTES.search(statement(mart)):
        assert mart.stem in {test["model"] for _, test in unit_tests()}


def test_marts_without_a_unit_test_only_hand_on_the_history_of_silver() -> None:
    tested = {test["model"] for _, test in unit_tests()}
    assert {mart.stem for mart in MARTS} - tested == {"dim_customer", "dim_product"}


def test_a_unit_test_stands_in_the_file_of_its_model_gives_all_inputs_and_says_what_comes_out() -> None:
    inputs = {path.stem: parents(path) for path in MODELS}
    names = [test["name"] for _, test in unit_tests()]
    assert len(names) == len(set(names))
    for file, test in unit_tests():
        assert file == test["model"], test["name"]
        given = {name for entry in test["given"] for name in REF.findall(entry["input"])}
        assert given == inputs[test["model"]], test["name"]
        assert "rows" in test["expect"], test["name"]


@pytest.mark.parametrize("path", [path for path in MODELS if path not in MARTS], ids=lambda path: path.stem)
def test_a_model_below_the_marts_is_named_for_its_layer_and_described(path: Path) -> None:
    prefixes = {"staging": "stg_", "intermediate": "int_"}
    assert path.stem.startswith(prefixes[path.relative_to(PROJECT / "models").parts[0]])
    described = [model for file in path.parent.glob("*.yml") for model in read(file).get("models", [])]
    (model,) = [model for model in described if model["name"] == path.stem]
    assert model["description"].startswith("One row a ")


@pytest.mark.parametrize("path", [path for path in MODELS if path.stem.startswith("int_")], ids=lambda path: path.stem)
def test_an_intermediate_model_is_what_several_marts_share(path: Path) -> None:
    assert len([mart for mart in MARTS if path.stem in parents(mart)]) >= 2


def test_an_exposure_has_an_owner_and_needs_marts_that_exist() -> None:
    assert exposures()
    marts = {mart.stem for mart in MARTS}
    for exposure in exposures():
        assert exposure["description"].endswith("."), exposure["name"]
        assert set(exposure["owner"]) == {"name", "email"}, exposure["name"]
        named = [name for entry in exposure["depends_on"] for name in REF.findall(entry)]
        assert len(named) == len(set(named)) == len(exposure["depends_on"]), exposure["name"]
        assert set(named) <= marts, exposure["name"]


@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.stem)
def test_a_snapshot_has_key_owner_class_and_one_current_version_a_key(path: Path) -> None:
    found = snapshot(path)
    config = found["config"]
    assert set(config["meta"]) == {"owner", "pii"}
    assert config["hard_deletes"] == "invalidate", "what is gone from the mart is not current any more"
    columns = {column["name"]: column for column in found["columns"]}
    assert all(column["description"].endswith(".") for column in columns.values())
    current = list(columns[config["unique_key"]]["data_tests"])
    assert [test["unique"]["config"]["where"] for test in current] == ["dbt_valid_to is null"]
    assert {"unique", "not_null"} <= set(columns["dbt_scd_id"]["data_tests"])


def test_every_source_has_a_table_whose_age_is_watched_and_an_old_one_only_warns() -> None:
    assert sources()
    for source in sources():
        watched = [table["config"] for table in source["tables"] if "freshness" in table.get("config", {})]
        assert watched, source["name"]
        for config in watched:
            assert set(config["freshness"]) == {"warn_after"}
            assert "loaded_at_query" in config, "no column of silver holds a time of loading"
        assert all(table["description"].startswith("One row a ") for table in source["tables"])


def test_only_tests_whose_parents_are_built_run_and_dbt_does_not_call_home(tmp_path: Path) -> None:
    flags = read(PROJECT / "dbt_project.yml")["flags"]
    assert flags["indirect_selection"] == "buildable"
    assert flags["send_anonymous_usage_stats"] is False
    given = environment(lab_below(tmp_path))
    assert given["DBT_INDIRECT_SELECTION"] == flags["indirect_selection"], "a model tried again would lose tests"
    assert given["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"


def test_the_profile_has_the_target_that_the_lab_calls() -> None:
    profile = read(PROJECT / "profiles.yml")[PROFILE]
    assert profile["target"] == TARGET
    assert set(profile["outputs"]) == {TARGET}
