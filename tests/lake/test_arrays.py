"""Arrays from buffers hold what was put in, and cost no import of pandas."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze import in_another_process
from quintet.lake.arrays import Value, column, constant

KINDS: list[tuple[pa.DataType, st.SearchStrategy[Value]]] = [
    (pa.string(), st.text()),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.date32(), st.dates()),
    (pa.timestamp("us", tz="UTC"), st.datetimes(timezones=st.just(UTC))),
]


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=[str(kind) for kind, _ in KINDS])
def test_a_column_equals_that_of_pyarrow(kind: pa.DataType, values: st.SearchStrategy[Value]) -> None:
    @settings(deadline=None)
    @given(st.lists(st.none() | values, max_size=20))
    def holds(given_values: list[Value]) -> None:
        made = column(given_values, kind)
        made.validate(full=True)
        assert made.equals(pa.array(given_values, kind))
        assert made.null_count == given_values.count(None)

    holds()


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=[str(kind) for kind, _ in KINDS])
def test_a_constant_equals_the_value_repeated(kind: pa.DataType, values: st.SearchStrategy[Value]) -> None:
    @settings(deadline=None)
    @given(st.none() | values, st.integers(0, 20))
    def holds(value: Value, rows: int) -> None:
        made = constant(value, kind, rows)
        made.validate(full=True)
        assert made.equals(pa.array([value] * rows, kind))

    holds()


def test_landing_imports_no_pandas() -> None:
    program = (
        "import sys, tempfile; from pathlib import Path; from bronze import *; from labs import lab_below\n"
        "from quintet.lake.landing import land; from quintet.lakehouse.feeds import INVOICE_LINES\n"
        "folder = Path(tempfile.mkdtemp()); lab = with_tables(lab_below(folder / 'lab'))\n"
        "path = write_day(folder, '2010-12-01.csv', [line()])\n"
        "land(lab, INVOICE_LINES, [path], batch_id='b'); land(lab, INVOICE_LINES, [path], batch_id='b')\n"
        "print('pandas' in sys.modules)"
    )
    assert in_another_process(program).strip() == "False"


def test_times_keep_their_microseconds() -> None:
    moment = datetime(2025, 3, 1, 12, 30, 15, 999_999, tzinfo=UTC)
    assert column([moment], pa.timestamp("us", tz="UTC")).to_pylist() == [moment]
    assert column([date(1969, 12, 31)], pa.date32()).to_pylist() == [date(1969, 12, 31)]
