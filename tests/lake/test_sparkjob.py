"""Options, output and exit code of the Spark jobs."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from quintet.errors import GateError
from quintet.lake import sparkjob
from quintet.lake.sparkjob import Options, run_job
from quintet.settings import Lab


@pytest.fixture(autouse=True)
def of_this_machine(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkjob, "load_lab", lambda: lab)


def test_the_options_reach_the_work_and_its_result_is_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    given: list[Options] = []

    def work(_lab: Lab, options: Options, _start: object) -> dict[str, Any]:
        given.append(options)
        return {"rows": 3, "day": date(2011, 1, 2)}

    code = run_job("job", "Work.", work, ["--run-id", "r1", "--from", "2011-01-02", "--full-refresh"])
    assert code == 0
    assert given == [Options("r1", date(2011, 1, 2), None, full_refresh=True)]
    last = capsys.readouterr().out.splitlines()[-1]
    assert json.loads(last.removeprefix("RESULT ")) == {"rows": 3, "day": "2011-01-02"}


def test_an_error_of_the_work_is_told_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def work(*_: object) -> dict[str, Any]:
        raise GateError("the gate refused day.csv", remedy="Send it corrected")

    assert run_job("job", "Work.", work, ["--run-id", "r1"]) == GateError.exit_code
    told = capsys.readouterr()
    assert "RESULT" not in told.out
    assert "the gate refused day.csv" in told.err
    assert "Send it corrected" in told.err


def test_a_job_without_a_run_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_job("job", "Work.", lambda *_: {}, [])
    assert "--run-id" in capsys.readouterr().err
