"""Every task that calls a function or a Spark job names one that is there, with arguments that it takes.

Read from the sources: the functions run in other environments than Airflow's, which have what they import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from paths import ROOT
from quintet.airflow.operators import CallOperator, SparkJobOperator

pytestmark = pytest.mark.airflow

INCLUDE, JOBS = ROOT / "include", ROOT / "spark_jobs"


def function_of(module: str, name: str) -> ast.FunctionDef:
    """Its definition; in the module that it comes from when the named one only imports it."""
    path = INCLUDE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            return function_of(str(node.module), name)
    raise AssertionError(f"{module} has no function {name}")


def parameters(function: ast.FunctionDef) -> tuple[set[str], set[str]]:
    """All that it takes by name, and those without a default."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    required = {arg.arg for arg in positional[: len(positional) - len(given.defaults)]}
    required |= {arg.arg for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None}
    return {arg.arg for arg in (*given.args, *given.kwonlyargs)}, required


def calls(dags: dict[str, Any]) -> Iterator[tuple[str, str, set[str], bool]]:
    """Task, function, names of its arguments, and whether mapping adds more."""
    for dag in dags.values():
        for task in dag.tasks:
            if task.is_mapped and task.operator_class is CallOperator:
                given = task.partial_kwargs
                yield f"{dag.dag_id}.{task.task_id}", given["function"], set(given.get("arguments") or {}), True
            elif isinstance(task, CallOperator):
                yield f"{dag.dag_id}.{task.task_id}", task.function, {*task.arguments, *task.more}, False


def test_every_function_that_a_task_calls_is_there_and_takes_its_arguments(dags: dict[str, Any]) -> None:
    wrong = {}
    for task, function, given, is_mapped in calls(dags):
        module, _, name = function.partition(":")
        known, required = parameters(function_of(module, name))
        if given - known or (required - given and not is_mapped):
            wrong[task] = f"{function} takes {sorted(known)}, wants {sorted(required)}, is given {sorted(given)}"
    assert wrong == {}


def test_every_spark_job_of_a_task_is_there(dags: dict[str, Any]) -> None:
    named = {task.application for dag in dags.values() for task in dag.tasks if isinstance(task, SparkJobOperator)}
    assert {name for name in named if not (JOBS / name).is_file()} == set()
    assert {"ecommerce/gate.py", "ecommerce/figures.py"} <= named
