r"""InfluxDB's line protocol to batches: `measurement,tag=value field=1.5,other=2i 1700000000000000000`.

A field becomes the series `<measurement>_<field>` with the line's tags as labels; names are kept as they were sent,
so that a name outside `[a-zA-Z0-9_:]` is queried as `{__name__="cpu.load_user"}`. Integers (`i`, `u`) are stored up
to 2^53, booleans as 0 and 1, and, beyond the protocol, `NaN` and `Inf`. A line is taken or refused as a whole: one
field that cannot be stored (a string, a number that is none) refuses its line, never its neighbours.

In measurements, tags and field names a backslash escapes comma, equals sign and space and is itself otherwise. Lines
end with `\n` or `\r\n`; empty lines and lines that begin with `#` are skipped.

Source: InfluxData, "Line protocol reference" (InfluxDB v2).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from quintet.timeseries.linekernel import ERRORS, POINTS, REASONS, UNDECIDED_VALUES, KeyTable, scan_lines
from quintet.timeseries.model import METRIC, Batch, Labels, LabelTable

__all__ = ["PRECISIONS", "LineError", "LineParser", "Parsed", "Precision", "escape"]

Precision = Literal["ns", "us", "ms", "s"]
#: ns in one unit of a timestamp.
PRECISIONS: dict[str, int] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}

#: A parser that remembers more than this starts anew: a sender with endless new keys must not fill the memory.
_MAX_KEYS = 4_000_000
_MAX_KEY_BYTES = 512 * 1024 * 1024
#: Starts the hash of a key; drawn per process so that nobody can prepare keys that collide.
_SEED = np.uint64(int.from_bytes(np.random.default_rng().bytes(8), "little") | 1)

_ESCAPED = re.compile(r"\\([,= ])")
_SPECIAL = re.compile(r"([,= ])")


@dataclass(frozen=True)
class LineError:
    """A line that was refused: its number, from 1, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Parsed:
    """Points of the good lines and the reasons of the others, sorted by line."""

    batch: Batch
    errors: list[LineError]


class LineParser:
    """Parses bodies and remembers their series keys, so that a known series costs one look into a table.

    Not for two threads at once: give each its own.
    """

    def __init__(self) -> None:
        self._forget()

    def parse(self, body: bytes, *, precision: Precision = "ns", now: int | None = None) -> Parsed:
        """Parse a body; lines without a timestamp get `now` (ns since epoch, by default the clock's)."""
        text = np.frombuffer(body, np.uint8)
        room = int(np.count_nonzero(text == ord("="))) + 1
        lines = int(np.count_nonzero(text == ord("\n"))) + 1
        columns = _Columns(room, lines)
        table = self._table
        progress = np.zeros(7, np.int64)
        progress[1] = 1
        while True:
            progress[4], progress[5] = table.keys, table.used
            stopped = scan_lines(
                text,
                PRECISIONS[precision],
                time.time_ns() if now is None else now,
                _SEED,
                table.slots,
                table.hashes,
                table.ends,
                table.heads,
                table.after,
                table.arena,
                progress,
                *columns.arrays(),
            )
            table.keys, table.used = int(progress[4]), int(progress[5])
            if not stopped:
                break
            table.grow()
        self._read_keys()
        parsed = self._collect(text, columns, progress)
        if table.keys > _MAX_KEYS or table.used > _MAX_KEY_BYTES:
            self._forget()
        return parsed

    def _forget(self) -> None:
        self._table = KeyTable()
        #: By the numbers of the keys; of a key that is refused there are none, and no point.
        self._labels = LabelTable()
        self._bad: dict[int, str] = {}
        self._tags: dict[bytes, tuple[str, Labels] | str] = {}

    def _read_keys(self) -> None:
        """Give the keys that the last scan has added their labels, or the reason why they have none."""
        for number in range(len(self._labels), self._table.keys):
            series, name = self._table.key(number).split(b"\n", 1)
            read = self._tags.get(series)
            if read is None:
                read = self._tags[series] = _read_series(series)
            labels = read if isinstance(read, str) else _read_field(read, name)
            if isinstance(labels, str):
                self._bad[number] = labels
                self._labels.add(())
            else:
                self._labels.add(labels)

    def _collect(self, text: npt.NDArray[np.uint8], columns: _Columns, progress: npt.NDArray[np.int64]) -> Parsed:
        points = int(progress[POINTS])
        for point, start, end in columns.undecided[: int(progress[UNDECIDED_VALUES])]:
            columns.values[point] = float(text[start:end].tobytes())
        errors = [LineError(int(line), REASONS[int(code)]) for line, code in columns.errors[: int(progress[ERRORS])]]
        series, times, values = columns.series[:points], columns.times[:points], columns.values[:points]
        bad = [number for number in np.unique(series).tolist() if number in self._bad] if self._bad else []
        if bad:
            lines = columns.lines[:points]
            refused: dict[int, str] = {}
            for point in np.flatnonzero(np.isin(series, bad)):
                refused.setdefault(int(lines[point]), self._bad.get(int(series[point]), ""))
            errors = sorted([*errors, *(LineError(*item) for item in refused.items())], key=lambda error: error.line)
            kept = ~np.isin(lines, list(refused))
            series, times, values = series[kept], times[kept], values[kept]
        return Parsed(Batch(self._labels, series.astype(np.uint32), times.copy(), values.copy()), errors)


@dataclass
class _Columns:
    """Room for what a scan finds."""

    room: int
    line_room: int

    def __post_init__(self) -> None:
        self.series = np.empty(self.room, np.int32)
        self.times = np.empty(self.room, np.int64)
        self.values = np.empty(self.room, np.float64)
        self.lines = np.empty(self.room, np.int64)
        self.errors = np.empty((self.line_room, 2), np.int64)
        self.undecided = np.empty((self.room, 3), np.int64)

    def arrays(self) -> Sequence[npt.NDArray[np.generic]]:
        return self.series, self.times, self.values, self.lines, self.errors, self.undecided


def escape(text: str) -> str:
    r"""A measurement, tag or field name as the protocol writes it: `my\ name`.

    A backslash before a comma, an equals sign, a space or the end has no spelling in the protocol.
    """
    return _SPECIAL.sub(r"\\\1", text)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _read_series(raw: bytes) -> tuple[str, Labels] | str:
    """Measurement and tags of a series key, or why it is refused."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "series key is not UTF-8"
    plain = "\\" not in text
    measurement, *parts = text.split(",") if plain else _split(text, ",")
    tags: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=") if plain else _partition(part)
        if not equals:
            return f"tag without value: {part!r}"
        if not name or not value:
            return f"tag with an empty {'value' if name else 'name'}: {part!r}"
        if name == METRIC:
            return f"tag named {METRIC}: the name of a series is made of measurement and field"
        if name in tags:
            return f"tag given twice: {name!r}"
        tags[name] = value
    return _unescape(measurement), tuple(sorted(tags.items()))


def _partition(tag: str) -> tuple[str, str, str]:
    name, *rest = _split(tag, "=")
    return _unescape(name), "=" if rest else "", _unescape("=".join(rest))


def _split(text: str, mark: str) -> list[str]:
    """Split at marks that no backslash escapes; as in the scan, a backslash takes the character after it along."""
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == mark:
            parts.append(text[start:position])
            start = position + 1
        position += 2 if text[position] == "\\" else 1
    return [*parts, text[start:]]


def _read_field(series: tuple[str, Labels], raw: bytes) -> Labels | str:
    try:
        name = _unescape(raw.decode())
    except UnicodeDecodeError:
        return "field name is not UTF-8"
    measurement, tags = series
    return tuple(sorted([*tags, (METRIC, f"{measurement}_{name}")]))
