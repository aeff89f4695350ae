"""Processes that are killed: a program that has loaded its code forks them off, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

__all__ = ["Victims", "fork_for_each_line", "say"]


def say(word: str) -> None:
    """Tell the test a word; it is told although the process is killed the moment after."""
    os.write(1, f"{word}\n".encode())


def fork_for_each_line(work: Callable[[str], None]) -> None:
    """For each line read, fork a process that works on it until it is killed; say its number, and when it has ended."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                work(line)
            finally:
                os._exit(1)
        say(f"process {child}")
        os.waitpid(child, 0)
        say("ended")


class Victims:
    """The program, as the test sees it."""

    def __init__(self, program: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def start(self, line: str) -> None:
        """Have a process forked off that works on a line."""
        assert self._process.stdin
        print(line, file=self._process.stdin, flush=True)

    def word(self) -> str:
        """The next word of the program or of its process."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the program ended by itself"
        return line.strip()

    def last_words(self) -> list[str]:
        """All words until the process has ended."""
        words = [self.word()]
        while words[-1] != "ended":
            words.append(self.word())
        return words

    def close(self) -> None:
        """End the program."""
        self._process.communicate()
