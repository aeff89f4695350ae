"""Memory of real processes: what a tree holds, shared or not, and processes that are gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from quintet.health.memory import tree_memory_mb

#: MB that the grandchild writes to.
HELD = 80
GRANDCHILD = f"import sys; held = b'x' * ({HELD} * 1024 * 1024); print('ready', flush=True); sys.stdin.read()"
CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """A process whose child holds memory until the parent's input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, GRANDCHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        yield parent
        assert parent.stdin is not None
        parent.stdin.close()


def test_the_memory_of_what_a_process_started_counts(family: subprocess.Popen[str]) -> None:
    assert HELD <= tree_memory_mb([family.pid]) < HELD + 60


def test_a_process_counts_once_however_often_it_is_named(family: subprocess.Popen[str]) -> None:
    once = tree_memory_mb([family.pid])
    assert abs(tree_memory_mb([family.pid, family.pid]) - once) < HELD / 2


def test_a_process_below_another_counts_once(family: subprocess.Popen[str]) -> None:
    both = tree_memory_mb([os.getpid(), family.pid])
    assert abs(both - tree_memory_mb([os.getpid()])) < HELD / 2


def test_processes_that_are_gone_count_nothing() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait(timeout=30)
    assert tree_memory_mb([done.pid]) == 0
    assert tree_memory_mb([]) == 0
