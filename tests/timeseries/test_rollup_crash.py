"""A process that is killed within a roll-up has lost nothing: what rollups answer is what the points answered.

QUINTET_CRASH_ROUNDS sets the number of kills (8; the long run takes 200).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import crash_roller
import pytest
from batches import ALL, HOUR, found
from crash_roller import BEGIN, OPTIONS, first_day, numbered
from killed import Victims
from naive_store import NaiveStore
from test_downsample import assert_alike, rows

from quintet.timeseries import Batch, Store, backup
from quintet.timeseries.model import DAY, MAX_TIME

ROUNDS = int(os.environ.get("QUINTET_CRASH_ROUNDS", "8"))
#: A busy machine may need more kills until the first points are old enough to be let go.
AT_MOST = 4 * ROUNDS
#: Changes of the rollups' files of which the last one is cut off.
CHANGES = 120
#: Of a store that is made: those until both rollups are open.
FIRST_CHANGES = 12
#: Steps: those of the rollups, and one that is made of their buckets.
STEPS = (HOUR, 6 * HOUR, DAY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rolled")


@pytest.fixture(scope="module")
def rollers(folder: Path) -> Iterator[Victims]:
    made = Victims(crash_roller.__file__, str(folder))
    yield made
    made.close()


def is_whole(store: Store, batch: Batch) -> bool:
    """Whether a batch is in the store with all its points; with some of them it must not be."""
    stored = found(store.scan([], int(batch.timestamps.min()), int(batch.timestamps.max()) + 1))
    places = zip(batch.series.tolist(), batch.timestamps.tolist(), batch.values.tolist(), strict=True)
    there = {stored.get(batch.labels[number], {}).get(time) == value for number, time, value in places}
    assert len(there) == 1, "a batch is there whole or not at all"
    return there.pop()


def compare(store: Store, written: NaiveStore, newest: int) -> int:
    """Every answer is that of all points that were ever written, bit for bit; how many pieces rollups have given."""
    rolled = 0
    for step in STEPS:
        assert_alike(rows(store.downsample([], *ALL, step)), rows(written.downsample([], *ALL, step)))
        rolled += sum(one.source != "raw" for one in store.explain_downsample([], *ALL, step))
    visible = first_day(newest) - DAY, MAX_TIME
    assert found(store.scan([], *visible)) == found(written.scan([], *visible))
    return rolled


def has_let_go(store: Store) -> bool:
    """Whether points of the first day have gone."""
    return bool(store.scan([], BEGIN, BEGIN + DAY).timestamps.min(initial=MAX_TIME) > BEGIN)


@pytest.mark.timeout(60 + 30 * AT_MOST)
def test_a_process_that_is_killed_within_a_roll_up_leaves_the_answers_of_the_points(
    folder: Path, rollers: Victims
) -> None:
    chance = random.Random(21)  # noqa: S311 moments of death
    written = NaiveStore()
    newest, rolled, rounds, lets_go = -1, 0, 0, False
    while rounds < ROUNDS or (not lets_go and rounds < AT_MOST):
        rounds += 1
        at, seconds = chance.randrange(CHANGES), chance.choice([0.0, chance.uniform(0.0, 0.01)])
        rollers.start(f"store {newest + 1} {at} {seconds}")
        words = rollers.last_words()
        assert any(word.startswith("dies at ") for word in words), "it was killed by itself, at a change of a rollup"
        acknowledged = max([newest, *(int(word) for word in words if word.isdigit())])
        with Store.open(folder / "store", replace(OPTIONS, background=False)) as store:
            # One batch may have been written whose acknowledgement the kill cut off.
            reached = acknowledged + is_whole(store, numbered(acknowledged + 1))
            for number in range(newest + 1, reached + 1):
                written.append(numbered(number))
            newest = reached
            rolled += compare(store, written, newest)
            lets_go = has_let_go(store)
    assert lets_go, "the run went through points that are let go"
    with Store.open(folder / "store", replace(OPTIONS, background=False)) as store:
        store.roll_up()
        store.compact()
        assert compare(store, written, newest) > 0
        assert store.roll_up() == {"21600s": 0, "3600s": 0}
    assert rolled > 0, "rollups have answered after a kill"


def test_a_process_that_is_killed_while_it_makes_its_rollups_leaves_a_store_that_opens(
    folder: Path, rollers: Victims
) -> None:
    seen = set()
    for at in range(FIRST_CHANGES):
        rollers.start(f"{at} 0 {at} 0")
        (death,) = [word for word in rollers.last_words() if word.startswith("dies at ")]
        seen.add(death.split()[-1])
        for options in (replace(OPTIONS, background=False, rollups=()), replace(OPTIONS, background=False)):
            with Store.open(folder / str(at), options) as store:
                assert store.downsample([], *ALL, HOUR).num_rows == 0
        assert backup.check(folder / str(at)) == []
    assert seen >= {f"{step}/{file}.tmp" for step in ("21600s", "3600s") for file in ("ROLLED", "MANIFEST")}
