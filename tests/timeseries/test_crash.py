"""A process that is killed at any moment has lost nothing that it acknowledged, and half a batch is never seen.

QUINTET_CRASH_ROUNDS sets the number of kills (8; the long run takes 200).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import crash_writer
import numpy as np
import pytest
from batches import ALL
from killed import Victims

from quintet.timeseries import Store, StoreStats

ROUNDS = int(os.environ.get("QUINTET_CRASH_ROUNDS", "8"))


def killed_after(writers: Victims, first: int, count: int, seconds: float) -> int:
    """Start a writer, kill it some time after so many acknowledgements; the last number it acknowledged.

    Counted, not timed: on a busy machine, too, the rounds go through flushes and compactions.
    """
    writers.start(str(first))
    process, acknowledged = 0, []
    while not process or len(acknowledged) < count:
        word = writers.word()
        if word.isdigit():
            acknowledged.append(int(word))
        else:
            process = int(word.removeprefix("process "))
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    return max([*acknowledged, *(int(word) for word in writers.last_words() if word.isdigit())])


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
def writers(tmp_path: Path) -> Iterator[Victims]:
    made = Victims(crash_writer.__file__, str(tmp_path))
    yield made
    made.close()


@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path, writers: Victims) -> None:
    chance = random.Random(20)  # noqa: S311 moments of death
    acknowledged = -1
    seen: list[StoreStats] = []
    for _ in range(ROUNDS):
        acknowledged = killed_after(writers, acknowledged + 1, chance.randint(1, 200), chance.uniform(0.0, 0.05))
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
