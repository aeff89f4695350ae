"""Run a job as a process of another environment and take its answer.

A job ends standard output with `RESULT {json}`, or standard error with its message and itself with the exit code of
its error class; here the answer becomes a value, or that error again, so that a task's retry policy sees the class.

The process gets a session of its own and dies with the one that started it: neither a task that is cleared nor a
worker that is killed leaves a writer behind.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, cast

import quintet
from quintet.airflow.errors import JobFailedError, JobKilledError
from quintet.call import RESULT
from quintet.errors import QuintetError
from quintet.settings import Lab

__all__ = ["Job", "environment_of", "root_message"]

#: Seconds between the polite signal and the last one.
GRACE = 10
#: Lines of standard error that are kept for the message.
KEPT = 400

_CHUNK = 65536
#: Lines that programs below a job write without being asked: Spark's log, the JVM's remarks, stack frames.
_NOISE = re.compile(
    r"""^\s*$
    |^\d\d/\d\d/\d\d\s\d\d:\d\d:\d\d\s(TRACE|DEBUG|INFO|WARN|ERROR)\s
    |^WARNING:\s(Using\sincubator|An\sillegal|Please\sconsider|All\sillegal|A\sterminally|sun\.misc|Use\s--enable|Restricted)
    |^Picked\sup\s(JAVA|_JAVA|JDK)
    |^Using\sSpark's\sdefault\slog4j
    |^Setting\sdefault\slog\slevel
    |^To\sadjust\slogging\slevel
    |^\s+at\s[\w$.]+\(
    |^\s+\.\.\.\s\d+\smore
    |^JVM\sstacktrace:
    """,
    re.VERBOSE,
)
_TRACEBACK = "Traceback (most recent call last):"


class Job:
    """One running job.

    Args:
        command: program and arguments; nothing is interpreted by a shell.
        environment: the whole environment of the process.
        directory: working folder.
        log: takes every line the job writes, but for its result.
        given: text for standard input.

    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        log: Callable[[str], None],
        given: str = "",
    ) -> None:
        self._log = log
        self._result: str | None = None
        self._complaint: deque[str] = deque(maxlen=KEPT)
        self._process = subprocess.Popen(
            [*_dies_with_parent(), *command],
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._streams = [cast(IO[bytes], getattr(self._process, name)) for name in ("stdin", "stdout", "stderr")]
        self._given = given

    def wait(self) -> Any:
        """Follow the job to its end; its result.

        Raises:
            QuintetError: of the class that the exit code names, with the job's message.
            JobKilledError: a signal ended it.
            JobFailedError: it failed otherwise, or gave no result.

        """
        with ExitStack() as streams:
            given, output, complaint = (streams.enter_context(stream) for stream in self._streams)
            try:
                with suppress(BrokenPipeError):  # a job that ends before it has read says why by itself
                    given.write(self._given.encode())
                    given.close()
                self._follow({output.fileno(): self._on_output, complaint.fileno(): self._on_complaint})
                code = self._process.wait()
            except BaseException:  # a time-out or a signal reaches the task in here
                self.kill()
                raise
        if code == 0 and self._result is not None:
            return json.loads(self._result)
        raise self._error(code)

    def kill(self) -> None:
        """End the job and everything it has started, politely first."""
        for name, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, name)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                break
        # What ignored the polite signal while its leader obeyed.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _follow(self, handlers: Mapping[int, Callable[[str], None]]) -> None:
        rest = dict.fromkeys(handlers, b"")
        with selectors.DefaultSelector() as selector:
            for stream in handlers:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    chunk = os.read(key.fd, _CHUNK)
                    *lines, rest[key.fd] = (rest[key.fd] + chunk).split(b"\n")
                    if not chunk:
                        selector.unregister(key.fd)
                        lines = [rest[key.fd]] if rest[key.fd] else []
                    for line in lines:
                        handlers[key.fd](line.decode(errors="replace").rstrip("\r"))

    def _on_output(self, line: str) -> None:
        if line.startswith(RESULT):
            self._result = line.removeprefix(RESULT)
        else:
            self._log(line)

    def _on_complaint(self, line: str) -> None:
        self._complaint.append(line)
        self._log(line)

    def _error(self, code: int) -> QuintetError:
        message = root_message(self._complaint)
        if code < 0:
            name = signal.Signals(-code).name
            return JobKilledError(
                f"the job was ended by {name}" + (f": {message}" if message else ""),
                remedy="Was it a person? Else look for memory: quintet status" if code == -signal.SIGKILL else "",
            )
        if code == 0:
            return JobFailedError(f"the job gave no result; it should end with a line '{RESULT}…'. {message}")
        known = {error.exit_code: error for error in QuintetError.__subclasses__() if error.exit_code != 1}
        if code in known:
            return known[code](message)
        return JobFailedError(f"the job failed with exit code {code}" + (f": {message}" if message else ""))


def environment_of(lab: Lab) -> dict[str, str]:
    """Environment of a job: where the lab is and which run asks, none of Airflow's own settings or secrets."""
    passed = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CTX_")}
    java_home = lab.options.get("spark", {}).get("java_home")
    return passed | {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": os.environ.get("HOME", str(lab.path("home"))),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "QUINTET_LAB": str(lab.file),
        "QUINTET_HOME": str(lab.path("home")),
        # The job runs the same release as the task, also when a newer one is deployed meanwhile.
        "PYTHONPATH": str(Path(quintet.__file__).resolve().parents[1]),
        "PYTHONUNBUFFERED": "1",
        # Compiled loops of the time-series engine; a release may not be written to.
        "NUMBA_CACHE_DIR": str(lab.path("run") / "numba"),
        **({"JAVA_HOME": str(java_home)} if java_home else {}),
    }


def root_message(lines: Sequence[str] | deque[str]) -> str:
    """What went wrong, out of the last lines a program wrote: no log lines, no stack frames."""
    kept = [line.rstrip() for line in lines]
    for start in reversed(range(len(kept))):
        if kept[start] == _TRACEBACK:
            # The frames are indented, the error and what follows it are not.
            body = kept[start + 1 :]
            kept = body[next((place for place, line in enumerate(body) if line and line[0] != " "), 0) :]
            break
    return "\n".join(line for line in kept if not _NOISE.match(line))[-4000:].strip() if kept else ""


def _dies_with_parent() -> list[str]:
    setpriv = shutil.which("setpriv")  # Linux; elsewhere only `kill` ends the job
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
