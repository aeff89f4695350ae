"""CSV files (RFC 4180), value by value as received, with the line where each record starts.

Values are text exactly as in the file once its quoting is taken off; an empty field, quoted or not, is null. Columns
are found by name, in any order. Blank lines are skipped but counted. A record may span lines when a quoted field
holds line ends.

Two readers give the same result. The fast one is Arrow's; it is right when it accounts for every line of the file:
each record takes one line and one more for each line end inside its fields. Where that sum differs (blank lines, lone
carriage returns) or Arrow refuses the file, the exact reader goes through it record by record with Python's `csv` and
either delivers the values or says which line is wrong.

Source: RFC 4180; values and line numbers own derivation.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from quintet.lake.errors import FileRefusedError
from quintet.lake.rawfile import RawFile

__all__ = ["FIELD_LIMIT", "LINE_NUMBER", "CsvFile", "parse"]

#: Bytes that one field may hold.
FIELD_LIMIT = 1024 * 1024
#: Column that the readers add: line where the record starts, int64, the header is line 1.
LINE_NUMBER = "_line_number"

#: Bytes of text that make one batch of a large file. Arrow reads up to 32 of them ahead; a record that is longer
#: still is left to the exact reader.
_BATCH_BYTES = 2 * 1024 * 1024
_BATCH_ROWS = 20_000
_HEADER_LIMIT = 64 * 1024
_LINE_LIMIT = 16 * 1024 * 1024

_WHOLE = "Ask for the whole file and send it again under the same name"


@dataclass(frozen=True)
class CsvFile:
    """A CSV file that was read to its end without fault."""

    path: Path
    sha256: str
    size: int
    encoding: str
    records: int
    _raw: RawFile = field(repr=False)
    _layout: _Layout = field(repr=False)
    _table: pa.Table | None = field(repr=False)
    _exact: bool = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the file without its folder."""
        return self.path.name

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Records as batches: the asked columns (string) in the asked order, then `_line_number` (int64)."""
        if self._table is not None:
            return iter(self._table.to_batches())
        return _exact(self._raw, self._layout) if self._exact else _fast(self._raw, self._layout)


@dataclass(frozen=True)
class _Layout:
    """Header of a file and what is wanted of it: `names` are the file's columns in the order of the result."""

    header: tuple[str, ...]
    names: tuple[str, ...]
    schema: pa.Schema
    offset: int
    first_line: int


def parse(raw: RawFile, columns: Mapping[str, str]) -> CsvFile:
    """Parse a file to its end.

    Args:
        raw: the file, its text checked.
        columns: name in the file's header to name of the result's column, in the order of the result.

    Raises:
        FileRefusedError: the file as a whole cannot be accepted; it names line, fault and remedy.

    """
    try:
        return _read(raw, columns)
    except FileRefusedError as error:
        error.sha256, error.size, error.encoding = raw.sha256, raw.size, raw.encoding
        raise


def _read(raw: RawFile, columns: Mapping[str, str]) -> CsvFile:
    layout = _layout(raw, columns)
    exact = raw.has_lone_cr or raw.quotes % 2 == 1
    try:
        records, table = _collect(raw, layout, exact=exact)
    except _InexactError:
        exact = True
        records, table = _collect(raw, layout, exact=True)
    return CsvFile(raw.path, raw.sha256, raw.size, raw.encoding, records, raw, layout, table, exact)


def _collect(raw: RawFile, layout: _Layout, *, exact: bool) -> tuple[int, pa.Table | None]:
    batches = _exact(raw, layout) if exact else _fast(raw, layout)
    if raw.content is None:
        return sum(batch.num_rows for batch in batches), None
    table = pa.Table.from_batches(batches, schema=layout.schema)
    return table.num_rows, table


def _layout(raw: RawFile, columns: Mapping[str, str]) -> _Layout:
    with raw.utf8() as stream:
        head = stream.read(_HEADER_LIMIT)
    text = head.decode(errors="ignore")
    reader = csv.reader(io.StringIO(text, newline=""))
    header = tuple(name.strip() for name in next(reader, []))
    if not text.strip():
        raise FileRefusedError(raw.path.name, "it is empty: there is not even a header", remedy=_WHOLE)
    _check_header(raw.path.name, header, columns)
    used = "".join(line for line, _ in zip(io.StringIO(text, newline=""), range(reader.line_num), strict=False))
    schema = pa.schema([*((name, pa.string()) for name in columns.values()), (LINE_NUMBER, pa.int64())])
    return _Layout(header, tuple(columns), schema, len(used.encode()), reader.line_num + 1)


def _check_header(file: str, header: Sequence[str], columns: Mapping[str, str]) -> None:
    missing = [name for name in columns if name not in header]
    extra = [name or "(no name)" for name in header if name not in columns]
    twice = sorted({name for name in header if header.count(name) > 1})
    faults = [
        f"{what} {', '.join(names)}"
        for what, names in (("lacks", missing), ("has the unknown", extra), ("repeats", twice))
        if names
    ]
    if faults:
        raise FileRefusedError(
            file,
            f"the header {' and '.join(faults)}",
            line=1,
            remedy=f"Send it again with the columns {','.join(columns)} (in any order)",
        )


class _InexactError(Exception):
    """The fast reader cannot account for every line, or refuses the file."""


def _fast(raw: RawFile, layout: _Layout) -> Iterator[pa.RecordBatch]:
    line = layout.first_line
    try:
        for batch in _arrow_batches(raw, layout):
            _check_lengths(batch)
            one_line_each = raw.content is not None and batch.num_rows == raw.lines - line + 1
            spans = _spans(batch) if raw.quotes and not one_line_each else None
            starts = _starts(line, batch.num_rows, spans)
            line += batch.num_rows if spans is None else pc.sum(spans).as_py() or 0
            yield pa.RecordBatch.from_arrays([*batch.columns, starts], schema=layout.schema)
    except pa.ArrowInvalid as error:
        raise _InexactError from error
    if line != raw.lines + 1:
        raise _InexactError


def _arrow_batches(raw: RawFile, layout: _Layout) -> Iterator[pa.RecordBatch]:
    if raw.lines < layout.first_line:
        return
    reading: dict[str, Any] = {
        "parse_options": pyarrow.csv.ParseOptions(newlines_in_values=raw.quotes > 0, ignore_empty_lines=True),
        "convert_options": pyarrow.csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(layout.header, pa.string()),
            include_columns=list(layout.names),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=[""],
        ),
    }
    names = list(layout.header)
    if raw.content is not None:
        size = max(len(raw.content), 1)
        options = pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=size)
        body = pa.BufferReader(pa.py_buffer(raw.content).slice(layout.offset))
        yield from pyarrow.csv.read_csv(body, read_options=options, **reading).to_batches()
        return
    options = pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=_BATCH_BYTES)
    with raw.utf8() as stream:
        stream.read(layout.offset)
        yield from pyarrow.csv.open_csv(stream, read_options=options, **reading)


def _check_lengths(batch: pa.RecordBatch) -> None:
    if batch.nbytes <= FIELD_LIMIT:
        return
    longest = (pc.max(pc.binary_length(column)).as_py() or 0 for column in batch.columns)
    if max(longest, default=0) > FIELD_LIMIT:
        raise _InexactError


def _spans(batch: pa.RecordBatch) -> pa.Array | None:
    """Lines that each record takes; None when all take one."""
    inside = None
    for column in batch.columns:
        count = pc.fill_null(pc.count_substring(column, "\n"), 0)
        if pc.max(count).as_py():
            inside = count if inside is None else pc.add(inside, count)
    return None if inside is None else pc.add(pc.cast(inside, pa.int64()), 1)


def _starts(first: int, rows: int, spans: pa.Array | None) -> pa.Array:
    if spans is None:
        return pa.arange(first, first + rows)
    ends = pc.cumulative_sum(spans)
    return pc.add(pc.subtract(ends, spans), first)


def _exact(raw: RawFile, layout: _Layout) -> Iterator[pa.RecordBatch]:
    rows: list[list[str | None]] = []
    starts: list[int] = []
    order = [layout.header.index(name) for name in layout.names]
    for start, values in _records(raw, layout):
        rows.append([values[place] or None for place in order])
        starts.append(start)
        if len(rows) == _BATCH_ROWS:
            yield _batch(rows, starts, layout)
            rows, starts = [], []
    if rows:
        yield _batch(rows, starts, layout)


def _batch(rows: list[list[str | None]], starts: list[int], layout: _Layout) -> pa.RecordBatch:
    columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays([*columns, pa.array(starts, pa.int64())], schema=layout.schema)


def _records(raw: RawFile, layout: _Layout) -> Iterator[tuple[int, list[str]]]:
    """Records with the line each starts on. Raises FileRefusedError with that line."""
    csv.field_size_limit(FIELD_LIMIT)
    file, width = raw.path.name, len(layout.header)
    with raw.utf8() as stream:
        stream.read(layout.offset)
        lines = _Lines(stream, layout.first_line)
        reader = csv.reader(lines)
        while True:
            start = lines.begin_record()
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise FileRefusedError(file, _too_long(error), line=start, remedy=_WHOLE) from error
            if not values:
                continue
            if lines.ended and _is_open(lines.record):
                raise FileRefusedError(
                    file, "a quoted field is never closed, the file seems cut off", line=start, remedy=_WHOLE
                )
            if len(values) != width:
                raise FileRefusedError(file, _mismatch(values, width, lines), line=start, remedy=_WHOLE)
            if lines.length > FIELD_LIMIT and any(len(value.encode()) > FIELD_LIMIT for value in values):
                raise FileRefusedError(file, _too_long(), line=start, remedy=_WHOLE)
            yield start, values


class _Lines(Iterator[str]):
    """Lines of the text, counted, with those of the record at hand kept."""

    def __init__(self, stream: BinaryIO, first: int) -> None:
        self._text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        self._next = first
        self.record: list[str] = []
        self.length = 0
        self.ended = False

    def begin_record(self) -> int:
        self.record.clear()
        self.length = 0
        return self._next

    def __next__(self) -> str:
        line = self._text.readline(_LINE_LIMIT)
        if len(line) == _LINE_LIMIT and not line.endswith("\n"):
            raise csv.Error("line too long")
        self.ended = not line or not line.endswith(("\n", "\r")) or self.ended
        if not line:
            raise StopIteration
        self._next += 1
        self.record.append(line)
        self.length += len(line) * 4  # bytes a character may take
        return line

    def is_last(self) -> bool:
        return self.ended or not self._text.readline(1)


def _is_open(record: list[str]) -> bool:
    try:
        list(csv.reader(record, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _mismatch(values: list[str], width: int, lines: _Lines) -> str:
    found = "".join(lines.record).rstrip("\r\n")
    shown = found if len(found) <= 60 else f"{found[:60]}…"
    what = "the last record is cut off: it" if len(values) < width and lines.is_last() else "the record"
    return f"{what} has {len(values)} fields, the header {width}: {shown}"


def _too_long(error: csv.Error | None = None) -> str:
    if error is not None and "limit" not in str(error) and "long" not in str(error):
        return f"the record cannot be parsed ({error})"
    return f"a field holds more than {FIELD_LIMIT:,} bytes"
