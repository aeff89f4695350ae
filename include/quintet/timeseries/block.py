"""Blocks: one immutable file with the points of a time span, their series, postings, statistics and checksums.

Chunks come first, then the sections: facts, table of chunks, symbols, series, postings, bitmaps; a footer lists
them. A block is read through a memory map, or by ranges where it lies far away; sections are decompressed when first
asked for, and every section and chunk is compared with its checksum before it is believed.
"""

from __future__ import annotations

import json
import struct
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard
from pyroaring import BitMap

from quintet.timeseries.blockbytes import BlockBytes, ChunkBytes, MappedBytes
from quintet.timeseries.chunk import ENTRY, ChunkEncoder, decode_chunk
from quintet.timeseries.codec import SLACK
from quintet.timeseries.errors import CorruptionError
from quintet.timeseries.files import checksum, writing_aside
from quintet.timeseries.index import Postings
from quintet.timeseries.model import Labels

__all__ = ["Block", "BlockFacts", "BlockWriter", "index_of", "series_hash"]

MAGIC = b"QTSBLOCK"
VERSION = 1
_HEADER = struct.Struct("<8sHHI")
#: name, offset, stored length, length, checksum of the stored bytes
_SECTION = struct.Struct("<8sQQQQ")
#: offset of the footer, number of sections, version, reserved, checksum of the footer, magic
_TRAILER = struct.Struct("<QIHHQ8s")
_HASHES = b"hashes"
_FACTS, _CHUNKS, _SYMBOLS, _SERIES, _POSTINGS, _BITMAPS = (
    b"facts",
    b"chunks",
    b"symbols",
    b"series",
    b"postings",
    b"bitmaps",
)
#: offset, stored length, length, checksum of the stored bytes
Section = tuple[int, int, int, int]
_REMEDY = "Restore the block from a snapshot, or run a repair, which sets the block aside and keeps the others"


@dataclass(frozen=True, kw_only=True)
class BlockFacts:
    """What a block is. sequence: of two blocks with one point, that with the greater one counts.

    min_time and max_time are those of its points, both included, ns. erased: tombstones up to this number are
    applied. sources: blocks that it replaces.
    """

    number: int
    level: int
    sequence: int
    min_time: int
    max_time: int
    points: int
    series: int
    chunks: int
    erased: int = 0
    sources: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Name of the block's file."""
        return f"{self.number:010d}.block"


def series_hash(labels: Labels) -> int:
    """64 bits that stand for a series where distinct ones are counted."""
    return checksum("\0".join(word for pair in labels for word in pair).encode())


class BlockWriter:
    """Writes one block from series in rising order of labels, a group at a time; memory holds the index only."""

    def __init__(
        self,
        *,
        number: int,
        level: int,
        sequence: int,
        erased: int = 0,
        sources: Sequence[int] = (),
        zstd_level: int | None,
    ) -> None:
        self._known = {
            "number": number,
            "level": level,
            "sequence": sequence,
            "erased": erased,
            "sources": tuple(sources),
        }
        self._encoder = ChunkEncoder(zstd_level)
        self._labels: list[Labels] = []
        self._entries: list[npt.NDArray[Any]] = []
        self._writing: Any = None
        self._file: Any = None
        self._at = 0

    def open(self, folder: Path) -> BlockWriter:
        """Begin the file aside in a folder."""
        self._writing = writing_aside(folder / f"{self._known['number']:010d}.block")
        self._file = self._writing.__enter__()
        self._at = self._file.write(_HEADER.pack(MAGIC, VERSION, 0, 0))
        return self

    def add(
        self,
        labels: Sequence[Labels],
        offsets: npt.NDArray[np.int64],
        timestamps: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
    ) -> None:
        """Append series, sorted, each with points sorted by time without doubles (layout of `Scan`)."""
        first = len(self._labels)
        self._labels.extend(labels)
        rows = []
        for row, data in self._encoder.encode(offsets, timestamps, values):
            row["series"] += first
            row["offset"] = self._at
            self._at += self._file.write(data)
            rows.append(row)
        if rows:
            self._entries.append(np.array(rows, ENTRY))

    def finish(self) -> BlockFacts | None:
        """Write sections and footer and give the file its name; None and no file when there were no points."""
        if not self._entries:
            self.abandon()
            return None
        table = np.concatenate(self._entries)
        facts = BlockFacts(
            **self._known,  # type: ignore[arg-type]
            min_time=int(table["min_time"].min()),
            max_time=int(table["max_time"].max()),
            points=int(table["points"].sum(dtype=np.int64)),
            series=len(self._labels),
            chunks=len(table),
        )
        self._at += self._file.write(bytes(SLACK))
        symbols, series, postings, bitmaps = _index_sections(self._labels)
        # Columns one after the other: equal fields of many rows compress, rows do not.
        columns = b"".join(np.ascontiguousarray(table[name]).tobytes() for name in ENTRY.names or ())
        sections = {
            _FACTS: json.dumps(asdict(facts)).encode(),
            _CHUNKS: columns,
            _SYMBOLS: symbols,
            _SERIES: series,
            _POSTINGS: postings,
            _BITMAPS: bitmaps,
            _HASHES: np.array([series_hash(one) for one in self._labels], "<u8").tobytes(),
        }
        footer = b""
        compressor = zstandard.ZstdCompressor(level=3)
        for name, raw in sections.items():
            stored = compressor.compress(raw)
            footer += _SECTION.pack(name, self._at, len(stored), len(raw), checksum(stored))
            self._at += self._file.write(stored)
        self._file.write(footer)
        self._file.write(_TRAILER.pack(self._at, len(sections), VERSION, 0, checksum(footer), MAGIC))
        self._writing.__exit__(None, None, None)
        return facts

    def abandon(self) -> None:
        """Leave no file."""
        with suppress(GeneratorExit):
            self._writing.__exit__(GeneratorExit, GeneratorExit(), None)


def _index_sections(labels: Sequence[Labels]) -> tuple[bytes, bytes, bytes, bytes]:
    """Symbols (sorted), series as pairs of symbols, postings sorted by (name, value), and their bitmaps."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for number, pairs in enumerate(labels):
        for pair in pairs:
            numbers.setdefault(pair, []).append(number)
    words = sorted({word.encode() for pair in numbers for word in pair})
    symbol = {word.decode(): index for index, word in enumerate(words)}
    lengths = np.array([len(word) for word in words], "<u4")
    symbols = struct.pack("<I", len(words)) + lengths.tobytes() + b"".join(words)
    widths = np.array([len(pairs) for pairs in labels], "<u4")
    flat = np.array([symbol[word] for pairs in labels for pair in pairs for word in pair], "<u4")
    series = struct.pack("<I", len(labels)) + widths.tobytes() + flat.tobytes()
    ordered = sorted((symbol[name], symbol[value], found) for (name, value), found in numbers.items())
    maps = [_serialised(found) for _, _, found in ordered]
    keys = np.array([(name << 32) | value for name, value, _ in ordered], "<u8")
    sizes = np.array([len(data) for data in maps], "<u4")
    return symbols, series, struct.pack("<I", len(keys)) + keys.tobytes() + sizes.tobytes(), b"".join(maps)


def _serialised(numbers: list[int]) -> bytes:
    bitmap = BitMap(numbers)
    bitmap.run_optimize()
    return bytes(bitmap.serialize())


def _mapped(path: Path) -> MappedBytes:
    try:
        size = path.stat().st_size
        if size < _HEADER.size + _TRAILER.size:
            raise CorruptionError(path, f"{size} bytes are no block", remedy=_REMEDY)
        return MappedBytes(path)
    except FileNotFoundError:
        raise CorruptionError(path, "the file is missing", remedy=_REMEDY) from None


def _check_header(path: Path | str, header: bytes) -> None:
    magic, version, _, _ = _HEADER.unpack(header)
    if magic != MAGIC:
        raise CorruptionError(path, f"begins with {magic!r}, not {MAGIC!r}", remedy=_REMEDY)
    _check_version(path, version)


def _check_version(path: Path | str, version: int) -> None:
    if version != VERSION:
        raise CorruptionError(
            path, f"has version {version}, this program reads {VERSION}", offset=8, remedy="Use what wrote it"
        )


def _sections(source: BlockBytes) -> dict[bytes, Section]:
    """The list of sections."""
    at = source.size - _TRAILER.size
    start, count, version, _, expected, magic = _TRAILER.unpack(source.read(at, source.size))
    if magic != MAGIC:
        raise CorruptionError(source.path, "the end of the file is not that of a block", offset=at, remedy=_REMEDY)
    _check_version(source.path, version)
    footer = source.read(start, at) if start < at else b""
    if len(footer) != count * _SECTION.size or checksum(footer) != expected:
        raise CorruptionError(source.path, "the list of sections is damaged", offset=start, remedy=_REMEDY)
    return {name.rstrip(b"\0"): (a, b, c, d) for name, a, b, c, d in _SECTION.iter_unpack(footer)}


def index_of(source: BlockBytes) -> tuple[int, bytes]:
    """All of a block behind its chunks, checked: the offset it begins at and its bytes.

    Raises:
        CorruptionError: it is damaged.

    """
    sections = _sections(source)
    first = min(offset for offset, *_ in sections.values())
    data = source.read(first, source.size)
    for name, (offset, stored, _, expected) in sections.items():
        if checksum(data[offset - first : offset - first + stored]) != expected:
            raise CorruptionError(source.path, f"the section {name.decode()} is damaged", offset=offset, remedy=_REMEDY)
    return first, data


class Block(Postings):
    """A block opened for reading; with `facts` nothing is read before it is needed.

    Raises:
        CorruptionError: at opening, when the file is missing or its ends are damaged; later, when a section or a
            chunk is; it names file and offset.

    """

    def __init__(self, source: Path | BlockBytes, facts: BlockFacts | None = None) -> None:
        self._bytes = _mapped(source) if isinstance(source, Path) else source
        self.path = self._bytes.path
        self.size = self._bytes.size
        self._labels: dict[int, Labels] = {}
        if facts is None:
            _check_header(self.path, self._bytes.read(0, _HEADER.size))
        self.facts = facts or self._facts()

    @cached_property
    def _sections(self) -> dict[bytes, Section]:
        return _sections(self._bytes)

    def _facts(self) -> BlockFacts:
        facts = json.loads(self._section(_FACTS))
        return BlockFacts(**{**facts, "sources": tuple(facts["sources"])})

    def _section(self, name: bytes) -> bytes:
        offset, stored, length, expected = self._sections[name]
        data = self._bytes.read(offset, offset + stored)
        if checksum(data) != expected:
            raise CorruptionError(self.path, f"the section {name.decode()} is damaged", offset=offset, remedy=_REMEDY)
        raw: bytes = zstandard.ZstdDecompressor().decompress(data, max_output_size=max(1, length))
        return raw

    @cached_property
    def chunks(self) -> npt.NDArray[Any]:
        """Table of chunks (`chunk.ENTRY`), sorted by series, then time."""
        raw = self._section(_CHUNKS)
        table = np.empty(self.facts.chunks, ENTRY)
        at = 0
        for name in ENTRY.names or ():
            kind = ENTRY[name]
            table[name] = np.frombuffer(raw, kind, len(table), at)
            at += kind.itemsize * len(table)
        return table

    @cached_property
    def _first_chunk(self) -> npt.NDArray[np.int64]:
        return np.searchsorted(self.chunks["series"], np.arange(self.facts.series + 1))

    @cached_property
    def _symbols(self) -> tuple[list[int], bytes]:
        raw = self._section(_SYMBOLS)
        (count,) = struct.unpack_from("<I", raw)
        lengths = np.frombuffer(raw, "<u4", count, 4)
        return [0, *np.cumsum(lengths, dtype=np.int64).tolist()], raw[4 + 4 * count :]

    def _symbol(self, number: int) -> bytes:
        ends, data = self._symbols
        return data[ends[number] : ends[number + 1]]

    def _number(self, word: str) -> int | None:
        encoded = word.encode()
        count = len(self._symbols[0]) - 1
        found = bisect_left(range(count), encoded, key=self._symbol)
        return found if found < count and self._symbol(found) == encoded else None

    @cached_property
    def _pairs(self) -> tuple[list[int], list[int]]:
        raw = self._section(_SERIES)
        (count,) = struct.unpack_from("<I", raw)
        ends = np.cumsum(np.frombuffer(raw, "<u4", count, 4), dtype=np.int64)
        return [0, *ends.tolist()], np.frombuffer(raw, "<u4", offset=4 + 4 * count).tolist()

    def labels(self, series: int) -> Labels:
        """Labels of a series by its number in the block."""
        known = self._labels.get(series)
        if known is None:
            ends, flat = self._pairs
            words = [self._symbol(number).decode() for number in flat[2 * ends[series] : 2 * ends[series + 1]]]
            known = self._labels[series] = tuple(zip(words[::2], words[1::2], strict=True))
        return known

    @cached_property
    def _postings(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], bytes]:
        raw = self._section(_POSTINGS)
        (count,) = struct.unpack_from("<I", raw)
        sizes = np.frombuffer(raw, "<u4", count, 4 + 8 * count)
        ends = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        return np.frombuffer(raw, "<u8", count, 4), ends, self._section(_BITMAPS)

    def hashes(self) -> npt.NDArray[np.uint64]:
        """`series_hash` of every series."""
        return np.frombuffer(self._section(_HASHES), "<u8")

    def all(self) -> BitMap:
        """All series."""
        return BitMap(range(self.facts.series))

    def names(self) -> list[str]:
        """Names of labels."""
        numbers = np.unique(self._postings[0] >> np.uint64(32))
        return [self._symbol(int(number)).decode() for number in numbers]

    def values(self, name: str) -> list[str]:
        """Values of a label."""
        number = self._number(name)
        if number is None:
            return []
        keys = self._postings[0]
        low, high = np.searchsorted(keys, np.array([number << 32, (number + 1) << 32], np.uint64)).tolist()
        return [self._symbol(int(key) & 0xFFFFFFFF).decode() for key in keys[low:high]]

    def with_value(self, name: str, value: str) -> BitMap:
        """Series with this label."""
        first, second = self._number(name), self._number(value)
        if first is None or second is None:
            return BitMap()
        keys, ends, bitmaps = self._postings
        key = np.uint64((first << 32) | second)
        row = int(np.searchsorted(keys, key))
        if row == len(keys) or keys[row] != key:
            return BitMap()
        return BitMap.deserialize(bitmaps[ends[row] : ends[row + 1]])

    def rows(self, series: BitMap, start: int, end: int) -> npt.NDArray[np.int64]:
        """Rows of the table of chunks of these series whose points may lie in [start, end)."""
        facts = self.facts
        if not series or facts.min_time >= end or facts.max_time < start:
            return np.empty(0, np.int64)
        if len(series) <= 64:  # few: their rows lie together
            first = self._first_chunk
            rows = np.concatenate([np.arange(first[number], first[number + 1]) for number in series])
            table = self.chunks[rows]
        else:
            wanted = np.zeros(facts.series, bool)
            wanted[np.array(series.to_array())] = True
            rows = np.flatnonzero(wanted[self.chunks["series"]])
            table = self.chunks[rows]
        inside: npt.NDArray[np.int64] = rows[(table["max_time"] >= start) & (table["min_time"] < end)]
        return inside

    def ready(self, rows: npt.NDArray[np.int64]) -> ChunkBytes:
        """What `decode` needs for these rows, asked for in their order."""
        table = self.chunks[rows]
        starts = table["offset"].astype(np.int64)
        return self._bytes.chunks(starts, starts + table["time_bytes"] + table["value_bytes"] + SLACK)

    def decode(
        self,
        row: int,
        timestamps: npt.NDArray[np.int64],
        bits: npt.NDArray[np.uint64],
        ready: ChunkBytes | None = None,
    ) -> None:
        """Decode the chunk of a row into int64[points] and uint64[points]; ready: what `ready` gave for many rows.

        Raises:
            CorruptionError: the bytes of the chunk are not those that were written.
            TierError: the place where the block lies does not give them.

        """
        entry = self.chunks[row]
        data, base = (ready or self.ready(np.array([row]))).around(int(entry["offset"]))
        if not decode_chunk(data, entry, timestamps, bits, base):
            raise CorruptionError(
                self.path,
                f"chunk {row} ({self.labels(int(entry['series']))}) is damaged",
                offset=int(entry["offset"]),
                remedy=_REMEDY,
            )

    def load_index(self) -> None:
        """Read the index now, so that the first question does not wait for it."""
        _ = self._first_chunk, self._symbols, self._pairs, self._postings

    def verify(self) -> None:
        """Read everything.

        Raises:
            CorruptionError: the first damage.

        """
        for name in self._sections:
            self._section(name)
        ready = self.ready(np.arange(len(self.chunks)))
        for row, points in enumerate(self.chunks["points"].tolist()):
            self.decode(row, np.empty(points, np.int64), np.empty(points, np.uint64), ready)
