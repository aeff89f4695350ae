"""Every column comes back bit for bit, in few bytes where there is something to find."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.timeseries.codec import SLACK, column_room, decode_floats, decode_ints, encode_floats, encode_ints

INT64 = st.integers(-(2**63), 2**63 - 1)
#: Any bit pattern: NaN with payloads, both zeros, denormals, infinities.
BITS = st.integers(0, 2**64 - 1)
SPECIAL = [
    struct.unpack("<Q", struct.pack("<d", value))[0]
    for value in (0.0, -0.0, 5e-324, -5e-324, float("inf"), float("-inf"), 1e308, 0.1, 21.5, 1e22, 2.0**53, 2.0**53 + 2)
] + [0x7FF8000000000000, 0xFFF8000000000001, 0x7FF0000000000001, 0x7FFFFFFFFFFFFFFF]


def ints_back(column: npt.NDArray[np.int64], *, planes: bool) -> bytes:
    room = np.zeros(column_room(len(column)), np.uint8)
    end = encode_ints(column, room, 0, planes)
    assert end + SLACK <= len(room)
    back = np.empty_like(column)
    assert decode_ints(room, 0, back) == end
    np.testing.assert_array_equal(back, column)
    return room[:end].tobytes()


def floats_back(bits: npt.NDArray[np.uint64], *, planes: bool) -> bytes:
    room = np.zeros(column_room(len(bits)), np.uint8)
    end = encode_floats(bits, room, 0, planes)
    assert end + SLACK <= len(room)
    back = np.empty_like(bits)
    assert decode_floats(room, 0, back) == end
    np.testing.assert_array_equal(back, bits)
    return room[:end].tobytes()


def as_bits(values: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    return np.asarray(values, np.float64).view(np.uint64)


@settings(deadline=None, max_examples=200)
@given(st.lists(INT64, min_size=1, max_size=300), st.booleans())
def test_any_integers_come_back(values: list[int], planes: bool) -> None:
    ints_back(np.array(values, np.int64), planes=planes)


@settings(deadline=None, max_examples=200)
@given(INT64, st.lists(st.integers(-5, 5), max_size=300), st.integers(1, 2**40), st.booleans())
def test_steps_of_a_common_size_come_back(first: int, steps: list[int], size: int, planes: bool) -> None:
    column = np.array([first, *steps], np.int64)
    column[1:] *= size
    with np.errstate(over="ignore"):
        ints_back(np.cumsum(column), planes=planes)


@settings(deadline=None, max_examples=200)
@given(st.lists(BITS, min_size=1, max_size=300), st.booleans())
def test_any_bit_patterns_come_back(values: list[int], planes: bool) -> None:
    floats_back(np.array(values, np.uint64), planes=planes)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(SPECIAL) | BITS, min_size=1, max_size=300), st.booleans())
def test_special_values_come_back(values: list[int], planes: bool) -> None:
    floats_back(np.array(values, np.uint64), planes=planes)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.decimals(-(10**9), 10**9, allow_nan=False, places=3).map(float), min_size=1, max_size=400),
    st.lists(st.tuples(st.integers(0, 399), st.sampled_from(SPECIAL)), max_size=10),
    st.booleans(),
)
def test_decimals_with_exceptions_come_back(
    values: list[float], exceptions: list[tuple[int, int]], planes: bool
) -> None:
    bits = as_bits(values).copy()
    for place, pattern in exceptions:
        bits[place % len(bits)] = pattern
    floats_back(bits, planes=planes)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(SPECIAL), st.integers(1, 200)), min_size=1, max_size=30), st.booleans())
def test_runs_come_back(runs: list[tuple[int, int]], planes: bool) -> None:
    floats_back(np.repeat(*map(np.array, zip(*[(np.uint64(v), n) for v, n in runs], strict=True))), planes=planes)


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 127, 128, 129, 130, 257, 8192])
@pytest.mark.parametrize("width", [1, 7, 8, 31, 32, 33, 55, 56, 57, 58, 63, 64])
def test_every_width_comes_back_at_the_edges_of_groups(width: int, size: int, planes: bool) -> None:
    random = np.random.default_rng(width * size)
    bits = random.integers(0, 2**64 - 1, size, np.uint64, endpoint=True) >> np.uint64(64 - width)
    ints_back(bits.view(np.int64), planes=planes)
    floats_back(bits, planes=planes)


def test_a_regular_axis_of_time_takes_the_same_few_bytes_however_long_it_is() -> None:
    start, step = 1_700_000_000_000_000_000, 10_000_000_000
    sizes = {len(ints_back(start + step * np.arange(points), planes=False)) for points in (3, 100, 8192)}
    assert sizes == {16}


def test_a_constant_takes_nine_bytes() -> None:
    assert len(floats_back(as_bits(np.full(8192, 21.5)), planes=False)) == 9


@pytest.mark.parametrize(
    ("name", "least"),
    [("temperature", 10.0), ("counter", 3.0), ("state", 20.0), ("float32", 1.5), ("repeated", 40.0), ("noise", 0.99)],
)
def test_columns_of_values_shrink_by_the_factor_their_kind_allows(name: str, least: float) -> None:
    random = np.random.default_rng(7)
    columns = {
        "temperature": np.round(20 + np.cumsum(random.normal(0, 0.1, 8192)), 1),
        "counter": np.cumsum(random.integers(0, 10_000, 8192)).astype(float),
        "state": random.choice([np.pi, np.e, np.nan, -0.0], 8192),
        "float32": random.normal(size=8192).astype(np.float32).astype(float),
        "repeated": np.repeat(random.normal(size=32), 256),
        "noise": random.normal(size=8192),
    }
    bits = as_bits(columns[name])
    assert bits.nbytes / len(floats_back(bits, planes=False)) >= least


def test_a_long_decimal_among_short_ones_is_an_exception_and_does_not_widen_them() -> None:
    values = np.round(np.random.default_rng(3).normal(20, 1, 1000), 1)
    alone = len(floats_back(as_bits(values), planes=False))
    values[500] = np.pi
    assert len(floats_back(as_bits(values), planes=False)) < alone + 30
