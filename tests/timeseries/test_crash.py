"""A process that is killed at any moment has lost nothing that it acknowledged, and half a batch is never seen.

QUINTET_CRASH_ROUNDS sets the number of kills (8; the long run takes 200).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import crash_writer
import numpy as np
import pytest
from batches import ALL

from quintet.timeseries import Store, StoreStats

ROUNDS = int(os.environ.get("QUINTET_CRASH_ROUNDS", "8"))


class Writers:
    """A process that forks writers off, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, crash_writer.__file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def killed_after(self, first: int, seconds: float) -> int:
        """Start a writer, kill it some time after its first acknowledgement; the last number it acknowledged."""
        assert self._process.stdin
        print(first, file=self._process.stdin, flush=True)
        words = [self._word(), self._word()]
        (process,) = [int(word.split()[1]) for word in words if word.startswith("process")]
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
        while words[-1] != "ended":
            words.append(self._word())
        return max(int(word) for word in words if word.isdigit())

    def _word(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the writer ended by itself"
        return line.strip()

    def close(self) -> None:
        self._process.communicate()


def whole_batches(store: Store) -> set[int]:
    """Numbers of the batches in the store; each is there with all its points."""
    scan = store.scan([], *ALL)
    values = scan.values
    names = np.repeat(np.arange(len(scan.labels)), np.diff(scan.offsets))
    latest = scan.labels.index(crash_writer.LATEST)
    newest = values[names == latest]
    numbers, counts = np.unique(values[names != latest].astype(np.int64), return_counts=True)
    assert (counts == crash_writer.SENSORS * crash_writer.POINTS).all(), "a batch is there whole or not at all"
    assert newest.tolist() == [float(numbers.max())], "of equal times the last written counts"
    return set(numbers.tolist())


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[Writers]:
    made = Writers(tmp_path)
    yield made
    made.close()


@pytest.mark.timeout(30 + 5 * ROUNDS)
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path, writers: Writers) -> None:
    chance = random.Random(20)  # noqa: S311 moments of death
    acknowledged = -1
    seen: list[StoreStats] = []
    for _ in range(ROUNDS):
        acknowledged = writers.killed_after(acknowledged + 1, chance.uniform(0.0, 0.8))
        with Store.open(tmp_path, crash_writer.OPTIONS) as store:
            there = whole_batches(store)
            missing = set(range(acknowledged + 1)) - there
            assert not missing, f"acknowledged and lost: {sorted(missing)[:10]}"
            # One batch may have been written whose acknowledgement the kill cut off.
            assert max(there) <= acknowledged + 1
            acknowledged = max(there)
            seen.append(store.stats())
    assert acknowledged > 0
    assert seen[-1].blocks > 0, "the run went through flushes"
    assert any(level > 0 for stats in seen for level in stats.blocks_by_level), "the run went through compactions"
