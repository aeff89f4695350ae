"""A CSV file gives each value as received and the line where its record starts, whatever its form."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.lake import csvfile, rawfile
from quintet.lake.csvfile import LINE_NUMBER, parse
from quintet.lake.errors import FileRefusedError
from quintet.lake.rawfile import content_hash, read_raw

COLUMNS = {"A": "a", "B": "b", "C": "c"}


def parsed(content: bytes, name: str = "x.csv") -> list[tuple[object, ...]]:
    """Rows as tuples: a, b, c, line."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        file = parse(read_raw(path), COLUMNS)
        found = [tuple(row.values()) for batch in file.batches() for row in batch.to_pylist()]
    assert len(found) == file.records
    return found


@contextmanager
def streamed(block: int = 64) -> Iterator[None]:
    """Treat every file as a large one, read in small blocks."""
    with (
        mock.patch.object(rawfile, "SMALL", 0),
        mock.patch.object(rawfile, "BLOCK", block),
        mock.patch.object(csvfile, "_BATCH_BYTES", 4096),
    ):
        yield


def test_values_are_text_as_received_and_empty_ones_are_null() -> None:
    content = b'A,B,C\n 1 ,2.50,\n"",007,x\n'
    assert parsed(content) == [(" 1 ", "2.50", None, 2), (None, "007", "x", 3)]


def test_columns_are_found_by_name_in_any_order() -> None:
    assert parsed(b"C,A,B\n3,1,2\n") == [("1", "2", "3", 2)]


def test_line_numbers_count_the_lines_inside_quoted_fields() -> None:
    content = b'A,B,C\n1,"two\nlines",3\n4,5,6\n7,"a\r\nb\nc",8\n9,9,9\n'
    assert parsed(content) == [
        ("1", "two\nlines", "3", 2),
        ("4", "5", "6", 4),
        ("7", "a\r\nb\nc", "8", 5),
        ("9", "9", "9", 8),
    ]


def test_a_header_over_two_lines_moves_all_line_numbers() -> None:
    with mock.patch.dict(COLUMNS, {"two\nlines": "c"}):
        COLUMNS.pop("C")
        assert parsed(b'A,B,"two\nlines"\n1,2,3\n') == [("1", "2", "3", 3)]


def test_blank_lines_are_skipped_and_counted() -> None:
    assert parsed(b"A,B,C\n\n1,2,3\n\n\n4,5,6\n\n") == [("1", "2", "3", 3), ("4", "5", "6", 6)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(end: str) -> None:
    content = end.join(["A,B,C", "1,2,3", "4,5,6", ""]).encode()
    assert parsed(content) == [("1", "2", "3", 2), ("4", "5", "6", 3)]


def test_a_missing_last_line_end_loses_nothing() -> None:
    assert parsed(b"A,B,C\n1,2,3\n4,5,6") == [("1", "2", "3", 2), ("4", "5", "6", 3)]


def test_a_header_alone_is_a_file_without_records() -> None:
    assert parsed(b"A,B,C\n") == []
    assert parsed(b"A,B,C") == []


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("A,B,C\nCafé,£5,x\n".encode(), "utf-8"),
        ("A,B,C\nCafé,£5,x\n".encode("utf-8-sig"), "utf-8-sig"),
        ("A,B,C\nCafé,£5,x\n".encode("latin-1"), "latin-1"),
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_encodings_are_told_apart(tmp_path: Path, content: bytes, encoding: str, large: bool) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with streamed(7) if large else mock.patch.dict({}):
        file = parse(read_raw(path), COLUMNS)
        assert file.encoding == encoding
        assert [row for batch in file.batches() for row in batch.to_pylist()] == [
            {"a": "Café", "b": "£5", "c": "x", LINE_NUMBER: 2}
        ]


def test_a_character_cut_by_a_block_is_still_utf8(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("A,B,C\né€😀,é€😀,é€😀\n".encode())
    for block in range(1, 12):
        with streamed(block):
            assert read_raw(path).encoding == "utf-8"


def test_gzip_gives_the_same_content_and_the_same_hash(tmp_path: Path) -> None:
    content = b"A,B,C\n1,2,3\n"
    plain, packed = tmp_path / "x.csv", tmp_path / "x.csv.gz"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    assert content_hash(packed) == content_hash(plain) == read_raw(packed).sha256
    assert parsed(gzip.compress(content), "x.csv.gz") == [("1", "2", "3", 2)]


SLOPPY = [
    ('12" RULER,"x","y"', ('12" RULER', "x", "y")),
    ('a"b"c, "q" ,z', ('a"b"c', ' "q" ', "z")),
    ('"say ""hi""","",""""', ('say "hi"', None, '"')),
    ('"closed"tail,2,3', ("closedtail", "2", "3")),
]


@pytest.mark.parametrize(("record", "expected"), SLOPPY)
@pytest.mark.parametrize("blank", ["", "\n"], ids=["fast reader", "exact reader"])
def test_both_readers_take_quotes_in_odd_places_alike(record: str, expected: tuple[object, ...], blank: str) -> None:
    found = parsed(f"A,B,C\n{record}\n{blank}4,5,6\n".encode())
    assert found[0][:3] == expected
    assert found[1][:3] == ("4", "5", "6")


values = st.text(
    st.one_of(st.sampled_from('",\n\r ;é£€\u2028\x85'), st.characters(codec="utf-8", exclude_characters="\0")),
    max_size=6,
)
records = st.lists(st.tuples(values, values, values), max_size=12)


def written(rows: Sequence[tuple[str, str, str]], end: str, every: bool) -> tuple[str, list[int]]:
    """The rows as CSV, and the line where each starts, counted on the text."""
    text, starts = f"A,B,C{end}", []
    for row in rows:
        starts.append(len(re.findall(r"\r\n|\r|\n", text)) + 1)
        must_quote = every or any(mark in value for value in row for mark in '\r\n"')
        buffer = io.StringIO()
        quoting = csv.QUOTE_ALL if must_quote else csv.QUOTE_MINIMAL
        csv.writer(buffer, lineterminator="", quoting=quoting).writerow(row)
        text += buffer.getvalue() + end
    return text, starts


@settings(deadline=None, max_examples=200)
@given(
    rows=records,
    end=st.sampled_from(["\n", "\r\n"]),
    every=st.booleans(),
    bom=st.booleans(),
    packed=st.booleans(),
    block=st.sampled_from([0, 5, 64]),
)
def test_what_a_writer_wrote_is_read_back_with_its_lines(
    rows: list[tuple[str, str, str]], end: str, every: bool, bom: bool, packed: bool, block: int
) -> None:
    text, starts = written(rows, end, every)
    content = text.encode("utf-8-sig" if bom else "utf-8")
    expected = [(*(value or None for value in row), start) for row, start in zip(rows, starts, strict=True)]
    with streamed(block) if block else mock.patch.dict({}):
        assert parsed(gzip.compress(content) if packed else content, "x.csv") == expected


def refusal(content: bytes, name: str = "x.csv") -> FileRefusedError:
    with pytest.raises(FileRefusedError) as caught:
        parsed(content, name)
    return caught.value


REFUSED = {
    "empty": (b"", 0, "it is empty: there is not even a header", "Ask for the whole file"),
    "blank": (b"\n\n", 0, "it is empty", "Ask for the whole file"),
    "missing column": (b"A,B\n1,2\n", 1, "the header lacks C", "columns A,B,C (in any order)"),
    "extra column": (b"A,B,C,D\n1,2,3,4\n", 1, "the header has the unknown D", "columns A,B,C"),
    "nameless column": (b"A,B,C,\n1,2,3,4\n", 1, "the header has the unknown (no name)", "columns A,B,C"),
    "renamed column": (b"A,B,X\n1,2,3\n", 1, "the header lacks C and has the unknown X", "columns A,B,C"),
    "column twice": (b"A,B,C,C\n1,2,3,4\n", 1, "the header repeats C", "columns A,B,C"),
    "no header": (b"1,2,3\n4,5,6\n", 1, "the header lacks A, B, C", "columns A,B,C"),
    "too few fields": (b"A,B,C\n1,2,3\n4,5\n6,7,8\n", 3, "the record has 2 fields, the header 3: 4,5", "whole file"),
    "too many fields": (b"A,B,C\n1,2,3,4\n", 2, "the record has 4 fields, the header 3: 1,2,3,4", "whole file"),
    "cut in a record": (b"A,B,C\n1,2,3\n4,5", 3, "the last record is cut off: it has 2 fields, the header 3", "whole"),
    "cut in quotes": (b'A,B,C\n1,2,3\n4,5,"six', 3, "a quoted field is never closed, the file seems cut", "whole"),
    "fault after a multi-line record": (b'A,B,C\n1,"2\n2",3\n4\n', 4, "has 1 fields, the header 3: 4", "whole"),
    "utf-16": ("A,B,C\n1,2,3\n".encode("utf-16"), 1, "it is UTF-16 or UTF-32 text", "Save it as UTF-8"),
    "nul": (b"A,B,C\n1,2,3\n4,\0,6\n", 3, "it holds a NUL byte, so it is no text", "Save it as UTF-8"),
    "neither encoding": (
        "A,B,C\n1,2,3\n4,€,6\n".encode("cp1252"),
        3,
        "byte 0x80 belongs to no UTF-8 text, and the file is no Latin-1 text either",
        "Save it as UTF-8",
    ),
    "mixed encodings": ("A,B,C\n1,“,3\n".encode() + b"4,\xe9,6\n", 3, "byte 0xe9 belongs to no UTF-8 text", "UTF-8"),
    "huge field": (b"A,B,C\n1,2,3\n4," + b"x" * 1_048_577 + b",6\n", 3, "more than 1,048,576 bytes", "whole file"),
    "huge line": (b"A,B,C\n1,2,3\n" + b"x" * 17_000_000, 3, "more than 1,048,576 bytes", "whole file"),
}


@pytest.mark.parametrize("large", [False, True], ids=["small", "streamed"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_file_line_fault_and_remedy(case: str, large: bool) -> None:
    content, line, what, remedy = REFUSED[case]
    with streamed(1 << 16) if large else mock.patch.dict({}):
        error = refusal(content)
    assert (error.file, error.line) == ("x.csv", line)
    assert str(error).startswith(f"x.csv, line {line}: " if line else "x.csv: ")
    assert what in error.message
    assert remedy in error.remedy


def test_a_field_at_the_limit_is_accepted() -> None:
    content = b"A,B,C\n1," + b"x" * 1_048_576 + b",3\n"
    assert len(str(parsed(content)[0][1])) == 1_048_576


def test_damaged_gzip_is_refused() -> None:
    content = gzip.compress(b"A,B,C\n" + b"1,2,3\n" * 1000)
    for damaged in (content[:-20], content[:40] + b"\x00" * 8 + content[48:]):
        error = refusal(damaged, "x.csv.gz")
        assert "its gzip stream is damaged" in error.message
        assert error.remedy == "Send it again under the same name"
    assert "named .gz but is no gzip file" in refusal(b"A,B,C\n", "x.csv.gz").message


def test_a_large_file_that_changes_between_the_readings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"A,B,C\n" + b"1,2,3\n" * 100)
    with streamed():
        file = parse(read_raw(path), COLUMNS)
        path.write_bytes(b"A,B,C\n" + b"1,2,4\n" * 100)
        with pytest.raises(FileRefusedError, match=r"x\.csv: it changed while it was read"):
            list(file.batches())
