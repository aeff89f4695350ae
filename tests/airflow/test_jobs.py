"""Jobs as processes: results, errors of their class, and that nothing outlives the task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import airflow_home
from quintet.airflow.errors import JobFailedError, JobKilledError
from quintet.airflow.jobs import Job, environment_of, root_message
from quintet.errors import GateError, InputError, LabError, QuintetError, SettingsError, VerifyError

pytestmark = pytest.mark.airflow

Start = Callable[..., Job]

TRACEBACK = "Traceback (most recent call last):"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def start(tmp_path: Path, lines: list[str]) -> Start:
    def begin(code: str, given: str = "") -> Job:
        environment = environment_of(airflow_home.LAB)
        return Job(
            [sys.executable, "-c", code], environment=environment, directory=tmp_path, log=lines.append, given=given
        )

    return begin


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_the_result_line_is_the_value_and_all_other_lines_are_logged(start: Start, lines: list[str]) -> None:
    code = "import sys; print('one'); print('two', file=sys.stderr); print('RESULT {\"n\": 3}'); print('three', end='')"
    assert start(code).wait() == {"n": 3}
    assert sorted(lines) == ["one", "three", "two"]


def test_the_last_result_counts(start: Start) -> None:
    assert start("print('RESULT 1'); print('RESULT 2')").wait() == 2


def test_text_is_given_on_standard_input(start: Start) -> None:
    assert start("import sys; print('RESULT', len(sys.stdin.read()))", given="x" * 300_000).wait() == 300_000


def test_a_flood_on_both_streams_does_not_block(start: Start, lines: list[str]) -> None:
    code = (
        "import sys\nfor n in range(20000):\n print('out', n)\n print('err', n, file=sys.stderr)\nprint('RESULT true')"
    )
    assert start(code).wait() is True
    assert len(lines) == 40_000


@pytest.mark.parametrize("error", [SettingsError, InputError, GateError, LabError, VerifyError])
def test_the_exit_code_gives_the_class_of_the_error(start: Start, error: type[QuintetError]) -> None:
    code = f"import sys; sys.stderr.write('the file is broken. Mend it\\n'); sys.exit({error.exit_code})"
    with pytest.raises(error, match=r"^the file is broken\. Mend it$"):
        start(code).wait()


def test_an_error_of_no_class_shows_its_last_lines(start: Start) -> None:
    with pytest.raises(JobFailedError, match=r"exit code 1: ZeroDivisionError: division by zero$"):
        start("1 / 0").wait()


def test_a_job_without_a_result_has_failed(start: Start) -> None:
    with pytest.raises(JobFailedError, match="gave no result"):
        start("print('done')").wait()


def test_a_signal_is_named(start: Start) -> None:
    with pytest.raises(JobKilledError, match="SIGKILL"):
        start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)").wait()


def test_a_job_that_never_reads_its_input_says_why_by_itself(start: Start) -> None:
    code = "import os, sys; os.close(0); sys.stderr.write('no\\n'); sys.exit(4)"
    with pytest.raises(InputError, match=r"^no$"):
        start(code, given="x" * 300_000).wait()


def test_killing_a_job_ends_what_it_started_even_when_that_resists(start: Start, tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        "import subprocess, sys\n"
        "code = 'import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)'\n"
        "process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE)\n"
        "process.stdout.readline()\n"
        f"open({str(child)!r} + '.part', 'w').write(str(process.pid))\n"
        f"import os; os.rename({str(child)!r} + '.part', {str(child)!r})\n"
        "process.wait()\n"
    )
    job = start(code)
    assert eventually(child.exists)
    job.kill()
    with pytest.raises(JobKilledError, match="SIGTERM"):
        job.wait()
    assert eventually(lambda: gone(int(child.read_text())))


def test_an_interrupted_wait_kills_the_job(start: Start, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    job = start(code)
    assert eventually(lambda: mark.exists() and mark.read_text() != "")

    def interrupt(number: int, frame: object) -> None:
        raise TimeoutError("the task's time is over")

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(TimeoutError):
            job.wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert eventually(lambda: gone(int(mark.read_text())))


def test_a_job_dies_with_the_worker_that_started_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    job = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    worker = (
        "import sys; from pathlib import Path; from quintet.airflow.jobs import Job\n"
        f"Job([sys.executable, '-c', {job!r}], environment={{}}, directory=Path('/'), log=print).wait()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", worker], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert eventually(lambda: mark.exists() and mark.read_text() != "")
    process.kill()
    process.wait()
    assert eventually(lambda: gone(int(mark.read_text()))), "a second writer would live on"


def test_a_job_gets_the_lab_and_the_run_but_nothing_of_airflows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://airflow:secret@host/airflow")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "lakehouse_run_pipeline")
    given = environment_of(airflow_home.LAB)
    assert given["QUINTET_LAB"] == str(airflow_home.LAB.file)
    assert given["AIRFLOW_CTX_DAG_ID"] == "lakehouse_run_pipeline"
    assert [name for name in given if name.startswith("AIRFLOW__")] == []
    assert not any("secret" in value for value in given.values())


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (["the gate refused a.csv", "- rule: 3 rows"], "the gate refused a.csv\n- rule: 3 rows"),
        (["26/11/21 06:46:15 WARN NativeCodeLoader: no hadoop", "no space left"], "no space left"),
        (["WARNING: Using incubator modules: jdk.incubator.vector", "Picked up JAVA_TOOL_OPTIONS: -X", "lost"], "lost"),
        ([TRACEBACK, '  File "a.py", line 1', "    f()", "KeyError: 'a'"], "KeyError: 'a'"),
        (
            [
                TRACEBACK,
                "  File",
                "OSError: a",
                "",
                "During …:",
                "",
                TRACEBACK,
                "  File",
                "LabError: locked",
                "run again",
            ],
            "LabError: locked\nrun again",
        ),
        (
            [
                TRACEBACK,
                "  File",
                "pyspark.errors.X: bad plan",
                "JVM stacktrace:",
                "org.apache.X: bad",
                "\tat org.apache.A.b(A.scala:1)",
                "\t... 3 more",
            ],
            "pyspark.errors.X: bad plan\norg.apache.X: bad",
        ),
        ([], ""),
    ],
)
def test_the_message_is_what_a_person_needs(written: list[str], message: str) -> None:
    assert root_message(written) == message
