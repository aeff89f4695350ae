"""Line protocol: what becomes a point, what is refused and why, and that no bytes at all can upset the parser."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.timeseries.decimals import INTEGER, OVERFLOW, REAL, UNDECIDED, parse_decimal
from quintet.timeseries.lineprotocol import LineParser, Parsed, Precision, escape

NOW = 1_700_000_000_000_000_000
PARSER = LineParser()


def parse(text: str | bytes, precision: Precision = "ns") -> Parsed:
    return PARSER.parse(text.encode() if isinstance(text, str) else text, precision=precision, now=NOW)


def points(text: str | bytes, precision: Precision = "ns") -> list[tuple[dict[str, str], int, float]]:
    parsed = parse(text, precision)
    assert parsed.errors == []
    batch = parsed.batch
    return [
        (dict(batch.labels[series]), time, value)
        for series, time, value in zip(
            batch.series.tolist(), batch.timestamps.tolist(), batch.values.tolist(), strict=True
        )
    ]


def test_each_field_of_a_line_is_a_point_of_its_own_series() -> None:
    assert points("cpu,host=a,dc=x user=1.5,idle=2i 10") == [
        ({"__name__": "cpu_user", "host": "a", "dc": "x"}, 10, 1.5),
        ({"__name__": "cpu_idle", "host": "a", "dc": "x"}, 10, 2.0),
    ]


def test_escaped_commas_spaces_and_equals_signs_are_part_of_names() -> None:
    assert points(r"my\ disk,pa\=th=C:\,\ D a\ b=1 1") == [({"__name__": "my disk_a b", "pa=th": "C:, D"}, 1, 1.0)]


def test_a_backslash_before_another_character_is_a_backslash() -> None:
    assert points(r"disk,path=C:\temp f=1 1") == [({"__name__": "disk_f", "path": r"C:\temp"}, 1, 1.0)]


def test_comments_empty_lines_and_carriage_returns_are_no_points() -> None:
    assert len(points("# a comment\n\n  \r\nm f=1 1\r\nm f=2 2\r\n")) == 2


def test_a_line_without_timestamp_gets_the_time_of_its_arrival() -> None:
    assert [time for _, time, _ in points("m f=1\nm f=2 \nm f=3 5")] == [NOW, NOW, 5]


@pytest.mark.parametrize(("precision", "factor"), [("ns", 1), ("us", 10**3), ("ms", 10**6), ("s", 10**9)])
def test_timestamps_are_counted_in_the_unit_of_the_request(precision: Precision, factor: int) -> None:
    assert [time for _, time, _ in points("m f=1 12\nm f=1 -3", precision)] == [12 * factor, -3 * factor]


@pytest.mark.parametrize("text", ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"])
def test_booleans_are_one_and_zero(text: str) -> None:
    assert points(f"m f={text} 1")[0][2] == float(text[0] in "tT")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1i", 1.0), ("-7i", -7.0), ("5u", 5.0), ("9007199254740992i", 2.0**53), ("1e3", 1e3), ("+.5", 0.5), ("-0", -0.0)],
)
def test_numbers_are_read_in_each_of_their_forms(text: str, value: float) -> None:
    assert struct.pack("d", points(f"m f={text} 1")[0][2]) == struct.pack("d", value)


def test_not_a_number_and_infinities_are_accepted_beyond_the_protocol() -> None:
    values = [value for _, _, value in points("m a=NaN,b=Inf,c=-inf 1")]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m", "fields missing"),
        ("m 5", "field value missing"),
        ("m,a=b", "fields missing"),
        (",a=b f=1 1", "measurement missing"),
        ("m f 1", "field value missing"),
        ("m f= 1", "field value missing"),
        ("m =1 1", "field name missing"),
        ("m f=1, 1", "field name missing"),
        ("m f=1x 1", "invalid field value"),
        ("m f=tru 1", "invalid field value"),
        ("m f=1.5i 1", "invalid field value"),
        ("m f=-1u 1", "invalid field value"),
        ("m f=1e 1", "invalid field value"),
        ("m f=1e999 1", "outside float64"),
        ("m f=9007199254740993i 1", "beyond 2^53"),
        ("m f=99999999999999999999999i 1", "beyond 2^53"),
        ('m f="text" 1', "string field"),
        ('m f="a \\" b" 1', "string field"),
        ('m f="never closed', "without closing quote"),
        ("m f=1 12x", "invalid timestamp"),
        ("m f=1 -", "invalid timestamp"),
        ("m f=1 9223372036854775808", "outside int64"),
        ("m f=1 1 2", "after the timestamp"),
        ("m,a f=1 1", "tag without value"),
        ("m,a= f=1 1", "empty value"),
        ("m,=b f=1 1", "empty name"),
        ("m,,a=b f=1 1", "tag without value"),
        ("m,a=1,a=2 f=1 1", "given twice"),
        ("m,__name__=x f=1 1", "__name__"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_its_neighbours_are_kept(line: str, reason: str) -> None:
    parsed = parse(f"good f=1 1\n{line}\ngood f=2 2")
    assert parsed.batch.values.tolist() == [1.0, 2.0]
    assert [error.line for error in parsed.errors] == [2]
    assert reason in parsed.errors[0].reason


def test_a_line_with_one_bad_field_stores_none_of_its_fields() -> None:
    parsed = parse('m a=1,b="x",c=2 1')
    assert len(parsed.batch) == 0
    assert len(parsed.errors) == 1


def test_a_newline_within_a_string_belongs_to_its_line() -> None:
    parsed = parse('m f="one\ntwo" 1\nm f=x\nm f=3 3')
    assert [error.line for error in parsed.errors] == [1, 3]
    assert parsed.batch.values.tolist() == [3.0]


def test_names_that_are_not_utf8_are_refused() -> None:
    parsed = parse(b"m,a=\xff f=1 1\nm f\xff=1 1\nm f=1 1")
    assert [(error.line, error.reason) for error in parsed.errors] == [
        (1, "series key is not UTF-8"),
        (2, "field name is not UTF-8"),
    ]


def test_a_parser_remembers_its_series_over_bodies_and_beyond_the_size_of_its_first_table() -> None:
    parser = LineParser()
    body = "\n".join(f"m,id={number} f={number} 1" for number in range(10_000)).encode()
    first, second = parser.parse(body), parser.parse(body)
    assert first.batch.narrowed().labels == second.batch.narrowed().labels
    assert first.batch.values.tolist() == list(range(10_000))
    assert [dict(first.batch.labels[one])["id"] for one in first.batch.series[[0, 9_999]]] == ["0", "9999"]
    (found,) = parser.parse(b"m,id=9999 f=1 1").batch.narrowed().labels
    assert found is first.batch.labels[first.batch.series[-1]]


def test_a_body_holds_the_labels_of_its_own_series_only() -> None:
    parse("other,a=b f=1 1")
    assert parse("one,a=b f=1 1").batch.narrowed().labels == ((("__name__", "one_f"), ("a", "b")),)


#: Series and fields that begin or end alike, hold escapes, or are refused.
HEADS = ["m", "m,a=b", "m,a=bc", "m,a=b\\ c", "m,a=b\\\\", "m\\ ,a=b", "m,a=", "mm", "#m", ",a=b"]
FIELDS = ["f=1", "f=1i,g=2", "g=2,f=1.5", "f\\ =1", "f\\==1,f=2", "ff=t", "f=x", 'f="s"', "f=1,g", "=1"]
LINE = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(HEADS),
    st.sampled_from([" ", "  ", "\\ "]),
    st.sampled_from(FIELDS),
    st.sampled_from([" 5", "", " 9223372036854775807", " 9223372036854775808", " 99999999999999999999", " x"]),
)


@settings(deadline=None)
@given(st.lists(st.lists(LINE, max_size=12), min_size=1, max_size=4))
def test_a_parser_that_has_seen_other_bodies_reads_a_body_as_a_new_one_does(bodies: list[list[str]]) -> None:
    known = LineParser()
    for lines in [*bodies, *bodies]:
        body = "\n".join(lines).encode()
        found, expected = (parser.parse(body, now=NOW) for parser in (known, LineParser()))
        assert found.errors == expected.errors
        for one, other in zip(_rows(found), _rows(expected), strict=True):
            assert one == other


def _rows(parsed: Parsed) -> list[tuple[object, ...]]:
    batch = parsed.batch
    labels = [batch.labels[series] for series in batch.series.tolist()]
    return list(zip(labels, batch.timestamps.tolist(), batch.values.tolist(), strict=True))


NAMES = st.text(st.characters(exclude_characters="\\\n", exclude_categories=["Cs"]), min_size=1, max_size=8)
FIRST = NAMES.filter(lambda name: name[0] not in "# \t\r,")
VALUES = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53).map(float)
POINT = st.tuples(
    FIRST, st.dictionaries(NAMES.filter(lambda name: name != "__name__"), NAMES, max_size=3), NAMES, VALUES
)


@settings(max_examples=150, deadline=None)
@given(st.lists(POINT, min_size=1, max_size=5), st.integers(-(2**63) + 1, 2**63 - 1))
def test_what_is_written_is_what_is_read(given_points: list[tuple[str, dict[str, str], str, float]], time: int) -> None:
    lines, expected = [], []
    for measurement, tags, name, value in given_points:
        keys = "".join(f",{escape(tag)}={escape(text)}" for tag, text in tags.items())
        lines.append(f"{escape(measurement)}{keys} {escape(name)}={value!r} {time}")
        expected.append(({**tags, "__name__": f"{measurement}_{name}"}, time, value))
    assert points("\n".join(lines)) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*'m,= \\\n"1ift.-e#\r', "m f=1 1\n"]), max_size=60))
def test_any_text_is_points_and_errors_and_never_a_failure(pieces: list[str]) -> None:
    text = "".join(pieces)
    parsed = parse(text)
    lines = [error.line for error in parsed.errors]
    assert lines == sorted(set(lines))
    assert not lines or lines[-1] <= text.count("\n") + 1
    assert all(labels[0][0] for labels in parsed.batch.narrowed().labels)
    assert len(parsed.batch.series) == len(parsed.batch.timestamps) == len(parsed.batch.values)


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 25), st.sampled_from(["r", "e", "f"]))
def test_decimal_text_becomes_the_nearest_double(value: float, digits: int, form: str) -> None:
    text = repr(value) if form == "r" else f"{value:.{digits}{form}}"
    bits = np.zeros(2, np.uint64)
    raw = np.frombuffer(text.encode(), np.uint8)
    status, end = parse_decimal(raw, 0, len(raw), bits)
    if status == OVERFLOW:
        assert math.isinf(float(text))
    elif status != UNDECIDED:  # Python is asked then
        assert status in {INTEGER, REAL}
        assert end == len(raw)
        assert bits[:1].tobytes() == struct.pack("<d", float(text))


@pytest.mark.parametrize("text", ["2.4703282292062327e-324", "2.4703282292062328e-324", "9007199254740993.0", "5e-324"])
def test_values_half_way_between_two_doubles_round_to_even(text: str) -> None:
    assert points(f"m f={text} 1")[0][2] == float(text)
