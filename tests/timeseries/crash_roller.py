"""The process that the crash test of rollups kills: it appends, rolls up and lets old points go, all at once.

It kills itself, so that the moment is one at which the files of the rollups change: before one is opened for writing,
renamed, linked or removed, or a little after.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from batches import HOUR, MINUTE, SECOND, START, series
from killed import fork_for_each_line, say

from quintet.timeseries import Batch, Options, Rollup, Store
from quintet.timeseries.model import DAY

#: Small enough that heads fill, blocks merge and the background rolls up as well within a second of work.
OPTIONS = Options(
    head_points=1500,
    segment_bytes=64 * 1024,
    merge_blocks=2,
    block_span=12 * HOUR,
    level_factor=2,
    rollups=(Rollup(HOUR), Rollup(6 * HOUR)),
)
SENSORS, POINTS = 4, 20
LABELS = tuple(series(sensor=str(index)) for index in range(SENSORS))
#: Series of which several batches write the same time.
LATEST = series("latest")
#: 2023-11-14T00:00:00Z
BEGIN = START // DAY * DAY
#: Batches until the days that are written move on by one; each writes into so many days.
_A_DAY, _WIDTH = 16, 4
#: Days behind the newest batch, and some of the day, whose points are let go.
_KEPT, _PART = 2, 90 * MINUTE
#: Seconds between two batches; batches that may come until the next turn of rolling up: on a busy machine, too, it
#: keeps up with them.
_PAUSE, _A_TURN = 0.005, 16


def first_day(number: int) -> int:
    """The earliest time that a batch and those after it write."""
    return BEGIN + number // _A_DAY * DAY


def numbered(number: int) -> Batch:
    """Points that no other batch has, over some days, with sums that depend on their order; one that others have."""
    random = np.random.default_rng(number)
    count = SENSORS * POINTS
    place = np.arange(count)
    within = number % (_A_DAY * _WIDTH) * 21 * MINUTE + place * 11 * SECOND
    values = np.round(random.normal(20, 5, count), 1) * random.choice([1.0, 1e16, -1e-9], count)
    return Batch(
        (*LABELS, LATEST),
        np.append(place % SENSORS, SENSORS).astype(np.uint32),
        np.append(first_day(number) + place // SENSORS % _WIDTH * DAY + within, first_day(number)),
        np.append(values, float(number)),
    )


def roll(folder: Path, line: str) -> None:
    """Append from a number on, roll up, let old points go, until dead.

    line: name of the store, the number, at which change of the rollups' files to die, seconds after it.
    """
    name, first, at, seconds = line.split()
    _die(int(at), float(seconds))
    store = Store.open(folder / name, OPTIONS)
    appended = [int(first) - 1]

    allowed = [int(first) + _A_TURN]

    def append() -> None:
        for number in itertools.count(int(first)):
            while number >= allowed[0]:
                time.sleep(_PAUSE)
            store.append(numbered(number))
            say(str(number))
            appended.append(number)
            time.sleep(_PAUSE)

    threading.Thread(target=append, daemon=True).start()
    hidden = BEGIN
    while True:
        horizon = first_day(appended[-1]) - _KEPT * DAY + _PART
        if horizon > hidden:
            store.hide_before(horizon)
            hidden = horizon
        store.roll_up()
        allowed[0] = appended[-1] + 1 + _A_TURN


def _die(at: int, seconds: float) -> None:
    """Kill this process when the files of the rollups are about to change for the at-th time, or some seconds later."""
    left = itertools.count(at, -1)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        change = _changed(event, arguments)
        if change and next(left) == 0:
            say(f"dies at {change}")
            if seconds:
                threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _changed(event: str, arguments: tuple[Any, ...]) -> str:
    """What is about to happen to a file of the rollups; empty: nothing."""
    if event not in {"open", "os.rename", "os.remove", "os.link", "os.truncate"}:
        return ""
    if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return ""
    _, found, place = str(arguments[0]).rpartition("/rollups/")
    return f"{event} {place}" if found else ""


def warm() -> None:
    """Load what is compiled, so that a process that is forked off works at once."""
    with TemporaryDirectory() as folder, Store.open(Path(folder), replace(OPTIONS, background=False)) as store:
        for number in range(3 * _A_DAY):
            store.append(numbered(number))
        store.hide_before(first_day(_A_DAY))
        store.roll_up()
        store.compact()


if __name__ == "__main__":
    warm()
    place = Path(sys.argv[1])
    fork_for_each_line(lambda line: roll(place, line))
