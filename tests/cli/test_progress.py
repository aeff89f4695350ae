"""What a person sees of a run: a live line on a terminal that leaves nothing behind, plain lines elsewhere."""

from __future__ import annotations

import fcntl
import getpass
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from airflow_server import PASSWORD, RUN_ID, AirflowServer, Step, airflow_server, task
from command import environment, line, quintet
from labs import lab_below

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: Takes the terminal's line away.
ERASE = "\x1b[2K"
#: Columns of the terminal, fewer than an address has letters.
WIDTH = 90
CARE = ("run", "lakehouse", "--dag", "lakehouse_care_tables", "--json")


@pytest.fixture
def airflow() -> Iterator[AirflowServer]:
    with airflow_server() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, airflow: AirflowServer) -> Path:
    lab = lab_below(
        tmp_path / "lab",
        airflow_port=airflow.port,
        trino_port=1,
        secrets={"airflow_admin": PASSWORD},
        user=getpass.getuser(),
    )
    return lab.path("home")


class Terminal:
    """The command with its standard error on a terminal; `seen` is what it wrote there so far."""

    def __init__(self, home: Path, variables: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        given = {**environment(home), "TERM": "xterm-256color", **variables}
        self.process = subprocess.Popen(line(*CARE), env=given, stdout=subprocess.PIPE, stderr=slave, text=True)
        os.close(slave)
        self.seen = ""

    def read(self) -> bool:
        """Take what is there; False when the command has closed the terminal."""
        try:
            part = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            part = b""
        self.seen += part.decode()
        return bool(part)

    def read_until(self, text: str) -> None:
        while text not in CONTROL.sub("", self.seen):
            assert self.read(), self.seen

    def end(self) -> str:
        """Read to the end; what stays on the terminal."""
        while self.read():
            pass
        os.close(self._master)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.wait(30)
        return remaining(self.seen)


def remaining(written: str) -> str:
    """Lines that a terminal shows in the end, when drawing goes up one line at a time and erases it."""
    lines = [""]
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", written):
        if part == "\n":
            lines.append("")
        elif part == ERASE:
            lines[-1] = ""
        elif part == "\x1b[1A":
            lines.pop()
        elif part and part != "\r" and not CONTROL.fullmatch(part):
            lines[-1] += part
    return "\n".join(lines)


@pytest.fixture
def terminal(home: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    running = Terminal(home, getattr(request, "param", {}))
    yield running
    running.process.kill()
    running.process.wait(30)


def two_steps(server: AirflowServer) -> None:
    tables = [task("measure", "success", duration=1.0), task("compact", "running"), task("expire", None)]
    server.script = [
        Step("running", tables),
        Step("running", [*tables[:1], task("compact", "up_for_retry", duration=2.0), task("expire", None)]),
        Step("success", [task(name, "success", duration=1.0) for name in ("measure", "compact", "expire")]),
    ]


def test_a_terminal_shows_one_line_with_bar_count_time_and_task(airflow: AirflowServer, terminal: Terminal) -> None:
    two_steps(airflow)
    terminal.read_until("compact is up_for_retry")
    drawn = CONTROL.sub("", terminal.seen)
    assert re.search(r"━+\S* +1/3 +0:00:0\d +\d+ MB +compact ", drawn)
    assert "measure success" not in drawn
    left = terminal.end()
    assert terminal.process.returncode == 0
    assert "━" not in left


def test_what_a_person_must_know_stays_on_the_terminal(airflow: AirflowServer, terminal: Terminal) -> None:
    two_steps(airflow)
    shown = [text.strip() for text in terminal.end().splitlines() if text.strip()]
    assert len(shown) == 2, shown
    # An address is broken by the terminal alone: it can be taken as a whole.
    assert re.fullmatch(rf"run {re.escape(RUN_ID)}: http://\S+", shown[0])
    assert re.fullmatch(r"\[  1/3, \d+ MB\] compact up_for_retry 2 s", shown[1])


def test_an_interrupt_takes_the_line_away_and_gives_the_cursor_back(airflow: AirflowServer, terminal: Terminal) -> None:
    airflow.script = [Step("running", [task("compact", "running")])]
    terminal.read_until("compact")
    terminal.process.send_signal(signal.SIGINT)
    left = terminal.end()
    assert terminal.process.returncode == 130
    assert left.splitlines()[-1].strip() == "no longer followed; a run that was named above goes on in Airflow"
    assert "━" not in left
    assert terminal.seen.rindex("\x1b[?25h") > terminal.seen.rindex("\x1b[?25l")


def test_more_tasks_than_fit_do_not_break_the_line(airflow: AirflowServer, terminal: Terminal) -> None:
    names = [f"gold.models.[{number}]_with_a_long_name" for number in range(9)]
    airflow.script = [Step("running", [task(name, "running") for name in names]), Step("success")]
    terminal.read_until("…")
    drawn = [part for part in re.split(r"[\r\n]", CONTROL.sub("", terminal.seen)) if "…" in part]
    assert all(len(part) <= WIDTH for part in drawn)
    assert "gold.models.[0]_with_a_long_name, gold" in drawn[0]
    terminal.end()


@pytest.mark.parametrize("terminal", [{"TERM": "dumb"}], indirect=True)
def test_a_terminal_that_cannot_go_back_gets_lines(airflow: AirflowServer, terminal: Terminal) -> None:
    two_steps(airflow)
    terminal.end()
    assert "compact running" in terminal.seen
    assert "\x1b" not in terminal.seen


def test_elsewhere_each_change_is_a_plain_line(airflow: AirflowServer, home: Path) -> None:
    two_steps(airflow)
    told = quintet(*CARE, home=home).stderr.splitlines()
    assert [text.partition("] ")[2] for text in told[1:]] == [
        "measure success 1 s",
        "compact running",
        "compact up_for_retry 2 s",
        "compact success 1 s",
        "expire success 1 s",
    ]
    assert "\x1b" not in "".join(told)
