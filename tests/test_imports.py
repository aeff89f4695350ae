"""The arrows between the parts of the repository, read from the import statements of every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from paths import ROOT
from quintet.catalogue import PROJECTS

PACKAGE = ROOT / "include" / "quintet"
SLUGS = {project.slug for project in PROJECTS}
#: Folders whose files are entry points: they import `quintet`, nothing imports them.
ENTRY_FOLDERS = ("dags", "plugins", "spark_jobs")
#: Names that say nothing about what is inside.
VAGUE = {"common", "helper", "helpers", "manager", "managers", "misc", "tools", "util", "utils"}
#: Modules whose functions take and give Spark data frames.
ON_SPARK = {
    "quintet.ecommerce.batch.events",
    "quintet.ecommerce.batch.figures",
    "quintet.ecommerce.batch.gate",
    "quintet.ecommerce.batch.publish",
    "quintet.ecommerce.batch.records",
    "quintet.ecommerce.batch.sessions",
    "quintet.lakehouse.balance",
    "quintet.lakehouse.dimensions",
    "quintet.lakehouse.gate",
    "quintet.lakehouse.holding",
    "quintet.lakehouse.matching",
    "quintet.lakehouse.normalise",
    "quintet.lakehouse.selection",
    "quintet.lakehouse.silver",
    "quintet.quality.evaluate",
    "quintet.quality.expectations",
    "quintet.quality.frames",
    "quintet.quality.groups",
    "quintet.quality.rows",
    "quintet.quality.statistics",
    "quintet.scd.bitemporal",
    "quintet.scd.history",
    "quintet.scd.questions",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT / "include").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def entry_files() -> list[Path]:
    return sorted(path for folder in ENTRY_FOLDERS for path in (ROOT / folder).rglob("*.py"))


@cache
def imports(path: Path) -> tuple[tuple[str, bool], ...]:
    """Imported module names, and whether the import runs when the module is loaded."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)) or _is_for_types(outer)
        for inner in ast.walk(outer)
        if inner is not outer
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in later
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)} imports relatively: write the whole module name"
            yield node.module or "", id(node) not in later


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def test_only_the_airflow_package_imports_airflow() -> None:
    wrong = [
        f"{module_name(path)} imports {name}"
        for path in modules()
        for name, _ in imports(path)
        if name.split(".")[0] in {"airflow", "cosmos"} and not module_name(path).startswith("quintet.airflow")
    ]
    assert wrong == [], "move what needs Airflow to quintet.airflow"


def test_only_named_modules_import_spark_when_they_are_loaded() -> None:
    found = {
        module_name(path)
        for path in modules()
        for name, at_load in imports(path)
        if at_load and name.split(".")[0] in {"pyspark", "delta"}
    }
    assert found - ON_SPARK == set(), "import Spark inside the function, or add the module to ON_SPARK with its reason"


def test_the_airflow_package_imports_no_engine() -> None:
    engines = {"pyspark", "delta", "deltalake", "great_expectations", "trino", "pyarrow", "pandas", "dbt"}
    wrong = [
        f"{module_name(path)} imports {name}"
        for path in modules()
        if module_name(path).startswith("quintet.airflow")
        for name, _ in imports(path)
        if name.split(".")[0] in engines
    ]
    assert wrong == [], "Airflow calls engines in their own environments, it does not import them"


@pytest.mark.parametrize("slug", sorted(SLUGS))
def test_a_project_imports_no_other_project(slug: str) -> None:
    others = {f"quintet.{other}" for other in SLUGS - {slug}}
    wrong = [
        f"{module_name(path)} imports {name}"
        for path in sorted((PACKAGE / slug).rglob("*.py"))
        for name, _ in imports(path)
        if any(name == other or name.startswith(f"{other}.") for other in others)
    ]
    assert wrong == [], "move what two projects need to a package named after what it does"


@pytest.mark.parametrize(
    "package",
    [
        "alerts",
        "backups",
        "call",
        "catalogue",
        "cdc",
        "check",
        "contracts",
        "errors",
        "generated",
        "health",
        "httpdoor",
        "lake",
        "objects",
        "postgres",
        "quality",
        "scd",
        "settings",
        "streams",
        "urldoor",
    ],
)
def test_a_shared_capability_knows_no_project(package: str) -> None:
    files = [path for path in modules() if module_name(path).split(".")[1:2] == [package]]
    assert files, f"there is no quintet.{package}"
    wrong = [
        f"{module_name(path)} imports {name}"
        for path in files
        for name, _ in imports(path)
        if any(name.startswith(f"quintet.{slug}") for slug in SLUGS)
    ]
    assert wrong == [], "the project imports the capability, not the other way"


def test_the_package_imports_no_entry_point() -> None:
    stems = {path.stem for path in entry_files()}
    wrong = [
        f"{module_name(path)} imports {name}"
        for path in modules()
        for name, _ in imports(path)
        if name.split(".")[0] in {*ENTRY_FOLDERS, *stems}
    ]
    assert wrong == []


def test_entry_points_import_the_package_and_not_each_other() -> None:
    stems = {path.stem for path in entry_files()}
    for path in entry_files():
        names = [name for name, _ in imports(path)]
        assert any(name.split(".")[0] == "quintet" for name in names), f"{path.name}: its logic belongs into quintet"
        wrong = [name for name in names if name.split(".")[0] in stems or name.split(".")[0] in ENTRY_FOLDERS]
        assert wrong == [], f"{path.name}: DAGs meet through assets, jobs through tables"


def test_no_package_has_a_name_that_says_nothing() -> None:
    places = [PACKAGE, *(ROOT / folder for folder in (*ENTRY_FOLDERS, "tests"))]
    vague = [
        str(path.relative_to(ROOT))
        for place in places
        for path in place.rglob("*")
        if path.stem in VAGUE and (path.suffix == ".py" or path.is_dir())
    ]
    assert vague == [], "name a module after what it does"


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in [*modules(), *entry_files()]
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []
