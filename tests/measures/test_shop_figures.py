"""What a benchmark makes of its looks at the figures of a load."""

from __future__ import annotations

import pytest
from shop_figures import Look, Watched

#: Two kinds, a record of each in every second of four, from 100 on; the second kind half a second behind the first.
ARRIVALS = {"view": [100.0, 101.0, 102.0, 103.0], "order": [100.5, 101.5, 102.5, 103.5]}


def watched(*looks: tuple[float, int, int]) -> Watched:
    return Watched(100.0, 104.0, ARRIVALS, [Look(at, {"view": views, "order": orders}) for at, views, orders in looks])


@pytest.mark.parametrize(
    ("at", "views", "orders", "age"),
    [
        (100.0, 1, 0, 0.0),
        (102.25, 3, 2, 0.0),
        (102.25, 2, 2, 0.25),
        # The kind that waits longest tells, however far the other is.
        (103.75, 4, 0, 3.25),
        (110.0, 4, 4, 0.0),
    ],
)
def test_figures_are_as_old_as_the_record_that_waits_longest(at: float, views: int, orders: int, age: float) -> None:
    (look,) = (load := watched((at, views, orders))).looks
    assert load.age(look) == age


def test_a_kind_that_nobody_has_counted_yet_waits_from_its_first_record() -> None:
    load = watched((101.0, 1, 0))
    assert load.age(Look(101.0, {"view": 2})) == 0.5


def test_ages_are_those_of_the_looks_while_the_load_goes_on() -> None:
    load = watched((99.0, 0, 0), (101.0, 1, 1), (103.0, 2, 2), (104.0, 4, 4), (105.0, 4, 4))
    assert load.ages() == {"samples": 3, "p50": 0.0, "p95": 1000.0, "p99": 1000.0, "max": 1000.0}


def test_all_are_counted_when_nothing_is_missing() -> None:
    load = watched((101.0, 1, 1), (103.9, 3, 2), (104.5, 4, 3), (105.0, 4, 4))
    assert load.all_counted_after() == 1.5
    assert (load.arrived(104.0), load.counted(104.0), load.counted(100.0)) == (8, 5, 0)
    assert watched((105.0, 4, 3)).all_counted_after() is None


def test_a_rate_is_taken_between_steps_from_the_tenth_part_on_and_ends_with_the_load() -> None:
    load = watched((100.2, 0, 0), (100.5, 1, 0), (101.9, 1, 0), (102.5, 3, 2), (103.9, 3, 2), (104.5, 4, 4))
    assert load.counted_per_second() == (5 - 1) / 2.0
    assert watched((101.0, 1, 1), (104.5, 4, 4)).counted_per_second() == 0


def test_stretches_tell_what_came_what_was_counted_and_how_its_probes_fared() -> None:
    load = watched((101.9, 1, 1), (104.0, 4, 3))
    due = {0: 100.0, 1: 101.0, 2: 102.0, 3: 103.9}
    seen = {0: 100.1, 1: 101.3, 2: 102.2, 3: 104.9}
    assert load.stretches(due, seen, 2) == [
        {"from_s": 0, "arrived": 4, "counted": 2, "behind": 2, "probes_p50_ms": 100.0, "probes_max_ms": 300.0},
        {"from_s": 2, "arrived": 4, "counted": 5, "behind": 1, "probes_p50_ms": 200.0, "probes_max_ms": 1000.0},
    ]
