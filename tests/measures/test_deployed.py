"""The benchmark's DAGs in a lab: nothing of them is left, however it ends."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import deployed as module
import pytest
from deployed import deployed, moment, until

from labs import lab_below
from quintet.errors import LabError
from quintet.settings import Lab


@dataclass
class LabAirflow:
    """An Airflow that knows a DAG as long as its file is there, and stale ones until they are deleted."""

    folder: Path
    blind: bool = False
    busy: int = 0
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    unpaused: list[str] = field(default_factory=list)

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        for row in self.rows.values():
            row["is_stale"] = True
        for file in () if self.blind else self.folder.glob("*.py"):
            self.rows[file.stem] = {"is_stale": False}
        return self.rows.get(dag_id)

    def unpause(self, dag_id: str) -> None:
        self.unpaused.append(dag_id)

    def end_runs(self, dag_id: str) -> None:
        self.ended.append(dag_id)

    def delete(self, dag_id: str) -> bool:
        if self.busy:
            self.busy -= 1
            return False
        assert self.rows.pop(dag_id)["is_stale"], "a DAG whose file is there comes back"
        return True


@pytest.fixture
def home(tmp_path: Path) -> Lab:
    lab = lab_below(tmp_path / "lab", user=getpass.getuser())
    (lab.path("app") / "dags").mkdir()
    return lab


@pytest.fixture
def airflow(home: Lab, monkeypatch: pytest.MonkeyPatch) -> LabAirflow:
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    return LabAirflow(home.path("app") / "dags")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"benchmark_{name}.py" for name in ("one", "two")]
    for file in found:
        file.write_text("# a DAG\n", encoding="utf-8")
    return found


def left(lab: Lab) -> Iterator[Path]:
    for name in ("app", "logs"):
        yield from (path for path in lab.path(name).rglob("*") if "benchmark" in path.name)


def leave_traces(lab: Lab) -> None:
    """What a run of the DAGs leaves on the disk."""
    for trace in (
        lab.path("app") / "dags" / "__pycache__" / "benchmark_one.cpython-311.pyc",
        lab.path("logs") / "airflow" / "dag_id=benchmark_one" / "run_id=1" / "attempt=1.log",
        lab.path("logs") / "airflow" / "dag_processor" / "2026-11-21" / "dags-folder" / "benchmark_two.py.log",
    ):
        trace.parent.mkdir(parents=True, exist_ok=True)
        trace.touch()


def test_the_dags_are_there_and_switched_on_inside_and_gone_after(
    home: Lab, airflow: LabAirflow, files: list[Path]
) -> None:
    with deployed(home, airflow, files):  # type: ignore[arg-type]
        assert {path.name for path in left(home)} == {file.name for file in files}
        assert airflow.unpaused == ["benchmark_one", "benchmark_two"]
        leave_traces(home)
    assert list(left(home)) == []
    assert airflow.rows == {}


def test_they_are_taken_away_when_the_benchmark_fails(home: Lab, airflow: LabAirflow, files: list[Path]) -> None:
    def benchmark() -> None:
        with deployed(home, airflow, files):  # type: ignore[arg-type]
            leave_traces(home)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        benchmark()
    assert list(left(home)) == []
    assert airflow.rows == {}
    assert airflow.ended == ["benchmark_one", "benchmark_two"]


def test_what_a_killed_benchmark_left_is_taken_away_first(home: Lab, airflow: LabAirflow, files: list[Path]) -> None:
    (airflow.folder / files[0].name).write_text("# of old\n", encoding="utf-8")
    leave_traces(home)
    assert airflow.dag("benchmark_one")
    with deployed(home, airflow, files):  # type: ignore[arg-type]
        assert airflow.ended == ["benchmark_one"]
        assert (airflow.folder / files[0].name).read_bytes() == files[0].read_bytes()
    assert list(left(home)) == []


def test_a_dag_whose_task_still_ends_is_deleted_afterwards(home: Lab, airflow: LabAirflow, files: list[Path]) -> None:
    with deployed(home, airflow, files):  # type: ignore[arg-type]
        airflow.busy = 3
    assert airflow.rows == {}


def test_an_airflow_that_does_not_find_them_is_named_and_they_are_taken_away(
    home: Lab, airflow: LabAirflow, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEPLOYED_WITHIN", 0.0)
    airflow.blind = True
    with pytest.raises(LabError, match="has not found the benchmark's DAGs"), deployed(home, airflow, files):  # type: ignore[arg-type]
        pytest.fail("there are no DAGs to measure")
    assert list(left(home)) == []


def test_waiting_ends_when_it_comes_true_or_the_time_is_over() -> None:
    answers = iter([False, True])
    assert until(lambda: next(answers), every=0, within=60)
    assert not until(lambda: False, every=0, within=0)


def test_times_of_airflow_are_read_with_their_zone() -> None:
    assert moment("2026-11-21T08:00:01.500000Z") - moment("2026-11-21T09:00:00+01:00") == 1.5
