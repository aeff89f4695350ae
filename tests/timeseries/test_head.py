"""The head keeps points by series in order of arrival; a view stays as it was while appends go on."""

from __future__ import annotations

import numpy as np
from batches import series
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.timeseries.head import Head, HeadView
from quintet.timeseries.model import MAX_TIME, MIN_TIME

LABELS = [series(host=str(index)) for index in range(3000)]


def copied(view: HeadView) -> list[list[int]]:
    starts = np.cumsum(view.counts) - view.counts
    times, values = np.empty(view.counts.sum(), np.int64), np.empty(view.counts.sum())
    view.copy(starts, times, values)
    np.testing.assert_array_equal(values, times * 0.5)
    return [times[low : low + count].tolist() for low, count in zip(starts, view.counts, strict=True)]


def insert(head: Head, rows: list[tuple[int, int]]) -> None:
    numbers = np.array([number for number, _ in rows], np.uint32)
    times = np.array([time for _, time in rows], np.int64)
    head.insert(numbers, times, times * 0.5)


def everything(head: Head) -> HeadView:
    return head.view(range(len(head.labels)), MIN_TIME, MAX_TIME)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1000)), max_size=60), max_size=20))
def test_points_come_back_by_series_in_order_of_arrival(batches: list[list[tuple[int, int]]]) -> None:
    head = Head(10)
    for labels in LABELS[:4]:
        head.register(labels)
    for rows in batches:
        insert(head, rows)
    rows = [row for batch in batches for row in batch]
    present = sorted({number for number, _ in rows})
    view = everything(head)
    assert view.labels == [LABELS[number] for number in present]
    assert copied(view) == [[time for one, time in rows if one == number] for number in present]
    assert head.points == len(rows)
    if rows:
        assert (head.min_time, head.max_time) == (min(time for _, time in rows), max(time for _, time in rows))


def test_a_view_stays_as_it_was_while_points_and_series_come() -> None:
    head = Head(10)
    head.register(LABELS[0])
    insert(head, [(0, time) for time in range(300)])
    view = everything(head)
    for labels in LABELS[1:]:
        head.register(labels)
    insert(head, [(number % 3000, number) for number in range(200_000)])
    assert copied(view) == [list(range(300))]
    assert len(copied(everything(head))[0]) == 300 + 67


def test_a_view_leaves_out_series_without_points_in_the_interval() -> None:
    head = Head(10)
    for labels in LABELS[:3]:
        head.register(labels)
    insert(head, [(0, 10), (0, 20), (1, 30)])
    assert head.view([0, 1, 2], 21, 31).labels == [LABELS[1]]
    assert head.view([0, 1, 2], 20, 30).labels == [LABELS[0]]
    assert head.view([1, 2], 0, 30).labels == []
