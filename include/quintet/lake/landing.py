"""Landing: files into a bronze Delta table, every record as received, each content exactly once.

A batch is cut into groups of at most `GROUP_BYTES`; each group is one Delta commit that adds all its lines and
carries, for each file, the application transaction `<feed>:<sha256>`. Delta refuses a commit whose transaction
another writer has made meanwhile; the group is then looked at again and what landed elsewhere is left out. So the
same content lands once, whoever brings it, under whatever name, however often the landing is killed and repeated.
A second transaction `<feed>:name:<file name>` counts the versions of a name in the same way.

The ledger is written after the data and healed from the data's commits (`quintet.lake.ledger`).

Memory is bounded by one group: small files are parsed before they are written, larger ones are checked first and
then streamed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import ColumnProperties, CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from quintet.catalogue import Table
from quintet.lake import ledger
from quintet.lake.arrays import Value, constant
from quintet.lake.csvfile import LINE_NUMBER, CsvFile, parse
from quintet.lake.errors import FileRefusedError, LandingError
from quintet.lake.ledger import Entry
from quintet.lake.rawfile import read_raw
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lineage import declared, emit
from quintet.settings import Lab

__all__ = ["GROUP_BYTES", "Feed", "Landing", "file_date", "land", "size_of"]

#: Bytes of files as they lie in the folder that make one commit; a larger file is a group of its own.
GROUP_BYTES = 64 * 1024 * 1024

_ATTEMPTS = 10
_DAY = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
#: Colours and arrows that delta-rs puts into the causes of an error.
_DECORATION = re.compile(r"\x1b\[[0-9;]*m|↳")
_WRITER = WriterProperties(
    compression="ZSTD",
    compression_level=3,
    # Line numbers rise by one: differences compress to nothing, a dictionary does not.
    column_properties={LINE_NUMBER: ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")},
)


@dataclass(frozen=True)
class Feed:
    """A kind of file: `columns` maps the names in the file's header to the columns of the bronze table."""

    name: str
    table: Table
    ledger: Table
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Landing:
    """What became of the files of a batch; `known` are files whose content had landed under their name before."""

    landed: tuple[Entry, ...] = ()
    duplicates: tuple[Entry, ...] = ()
    refused: tuple[Entry, ...] = ()
    known: tuple[str, ...] = ()
    healed: int = 0

    @property
    def records(self) -> int:
        """Records that landed."""
        return sum(entry.records or 0 for entry in self.landed)

    def __add__(self, other: Landing) -> Landing:
        return Landing(
            self.landed + other.landed,
            self.duplicates + other.duplicates,
            self.refused + other.refused,
            self.known + other.known,
            self.healed + other.healed,
        )


def land(lab: Lab, feed: Feed, files: Iterable[Path], *, batch_id: str, now: datetime | None = None) -> Landing:
    """Land what is new among the files; files that cannot land are refused one by one and reported in the result.

    Raises:
        LandingError: the lake cannot be written; what landed before stays, a repeated landing brings the rest.

    """
    return _Lander(lab, feed, batch_id, now or datetime.now(UTC)).run(files)


@dataclass
class _Lander:
    lab: Lab
    feed: Feed
    batch_id: str
    now: datetime
    data_path: Path = field(init=False)
    ledger_path: Path = field(init=False)

    def __post_init__(self) -> None:
        self.data_path = delta_path(self.lab, self.feed.table)
        self.ledger_path = delta_path(self.lab, self.feed.ledger)

    def run(self, files: Iterable[Path]) -> Landing:
        total = Landing(healed=len(self._known()[1]))
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for group in _groups(files):
                hashes = {entry.file_hash for entry in self._known()[0] if entry.status == "landed"}
                found = list(pool.map(lambda path, seen=hashes: self._examine(path, seen), group))
                total += self._land_group(found)
        if total.landed:
            names = [entry.source_file for entry in total.landed]
            emit.tell(self.lab, [declared.of_feed(self.feed.table, self.feed.name, self.feed.columns, names)])
        return total

    def _known(self) -> tuple[list[Entry], list[Entry]]:
        """Ledger of the feed, completed from the data's commits; the rows that were missing."""
        with _writing(self.lab, self.feed.ledger, "lines that have landed are not landed twice"):
            data = DeltaTable(self.data_path)
            rows = ledger.read(self.ledger_path, feed=self.feed.name)
            healed = ledger.heal(data, self.ledger_path, self.feed.ledger, rows)
        return rows + healed, healed

    def _examine(self, path: Path, known: set[str]) -> CsvFile | Entry:
        """The parsed file; or a ledger row without it: content that is known, or a refusal."""
        try:
            raw = read_raw(path)
            if raw.sha256 in known:
                return self._entry(path.name, raw.sha256, "duplicate", bytes=raw.size, encoding=raw.encoding)
            return parse(raw, self.feed.columns)
        except FileRefusedError as error:
            return self._refusal(path.name, error)

    def _land_group(self, found: Sequence[CsvFile | Entry]) -> Landing:
        for _ in range(_ATTEMPTS):
            data = DeltaTable(self.data_path)
            plan = self._plan(data, found)
            if not plan.landing:
                return self._write_ledger(plan)
            stream = _Stream(self.feed.table, plan.landing)
            try:
                self._commit(data, stream, plan)
            except CommitFailedError:
                continue  # another landing brought some of these files: look again
            except Exception:  # of whatever class the refusal has become on its way through Arrow
                if stream.refused is None:
                    raise
                found = self._without(found, stream.refused)
                continue
            return self._write_ledger(plan)
        raise LandingError(
            f"the table {self.feed.table.full_name} is written by others without end", remedy="Run again"
        )

    def _plan(self, data: DeltaTable, found: Sequence[CsvFile | Entry]) -> _Plan:
        known = [entry for entry in self._known()[0] if entry.status == "landed"]
        names = {entry.file_hash: entry.source_file for entry in known}
        versions: dict[str, int] = {}
        for entry in known:
            versions[entry.source_file] = max(entry.file_version, versions.get(entry.source_file, 0))
        plan = _Plan()
        for item in found:
            if isinstance(item, Entry) and item.status == "refused":
                plan.refused.append(item)
                continue
            name, sha256 = (item.source_file, item.file_hash) if isinstance(item, Entry) else (item.name, item.sha256)
            if isinstance(item, Entry) or sha256 in names or self._has_landed(data, sha256):
                plan.add_known(self._duplicate(item), names.get(sha256, name))
                continue
            names[sha256] = name
            versions[name] = 1 + max(versions.get(name, 0), data.transaction_version(self._name_guard(name)) or 0)
            plan.landing.append((item, self._landed(item, versions[name])))
        return plan

    def _commit(self, data: DeltaTable, stream: _Stream, plan: _Plan) -> None:
        entries = [entry for _, entry in plan.landing]
        guards = [Transaction(self._guard(entry.file_hash), 1) for entry in entries]
        names = {entry.source_file: entry.file_version for entry in entries}
        guards += [Transaction(self._name_guard(name), version) for name, version in names.items()]
        with _writing(self.lab, self.feed.table, "nothing of these files has landed"):
            write_deltalake(
                data,
                pa.RecordBatchReader.from_batches(arrow_schema(self.feed.table), iter(stream)),
                mode="append",
                writer_properties=_WRITER,
                commit_properties=CommitProperties(app_transactions=guards, custom_metadata=ledger.to_commit(entries)),
            )

    def _write_ledger(self, plan: _Plan) -> Landing:
        landed = tuple(entry for _, entry in plan.landing)
        with _writing(self.lab, self.feed.ledger, "the lines have landed, the next landing completes the ledger"):
            ledger.record(self.ledger_path, self.feed.ledger, [*landed, *plan.duplicates, *plan.refused])
        return Landing(landed, tuple(plan.duplicates), tuple(plan.refused), tuple(plan.known))

    def _without(self, found: Sequence[CsvFile | Entry], error: FileRefusedError) -> list[CsvFile | Entry]:
        refusal = self._refusal(error.file, error)
        return [refusal if isinstance(item, CsvFile) and item.name == error.file else item for item in found]

    def _has_landed(self, data: DeltaTable, sha256: str) -> bool:
        return data.transaction_version(self._guard(sha256)) is not None

    def _guard(self, sha256: str) -> str:
        return f"{self.feed.name}:{sha256}"

    def _name_guard(self, name: str) -> str:
        return f"{self.feed.name}:name:{name}"

    def _entry(self, name: str, sha256: str, status: str, **values: Any) -> Entry:
        return Entry(
            feed=self.feed.name,
            source_file=name,
            file_version=values.pop("file_version", 0),
            file_hash=sha256,
            file_date=file_date(name),
            ingested_at=self.now,
            batch_id=self.batch_id,
            status=status,
            **values,
        )

    def _landed(self, file: CsvFile, version: int) -> Entry:
        return self._entry(
            file.name,
            file.sha256,
            "landed",
            file_version=version,
            records=file.records,
            bytes=file.size,
            encoding=file.encoding,
        )

    def _duplicate(self, item: CsvFile | Entry) -> Entry:
        if isinstance(item, Entry):
            return item
        return replace(self._landed(item, 0), status="duplicate")

    def _refusal(self, name: str, error: FileRefusedError) -> Entry:
        return self._entry(
            name, error.sha256, "refused", reason=str(error), bytes=error.size or None, encoding=error.encoding or None
        )


@dataclass
class _Plan:
    landing: list[tuple[CsvFile, Entry]] = field(default_factory=list)
    duplicates: list[Entry] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)
    known: list[str] = field(default_factory=list)

    def add_known(self, entry: Entry, landed_as: str) -> None:
        if entry.source_file == landed_as:
            self.known.append(entry.source_file)
        else:
            self.duplicates.append(replace(entry, duplicate_of=landed_as))


class _Stream:
    """Batches of all files of a group with their provenance; keeps the refusal of a file that changed under way."""

    def __init__(self, table: Table, files: Sequence[tuple[CsvFile, Entry]]) -> None:
        self._schema = arrow_schema(table)
        self._files = files
        self.refused: FileRefusedError | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for file, entry in self._files:
            try:
                for batch in file.batches():
                    yield self._with_provenance(batch, entry)
            except FileRefusedError as error:
                self.refused = error
                raise

    def _with_provenance(self, batch: pa.RecordBatch, entry: Entry) -> pa.RecordBatch:
        rows = batch.num_rows
        values: dict[str, Value] = {
            "_source_file": entry.source_file,
            "_file_version": entry.file_version,
            "_file_hash": entry.file_hash,
            "_file_date": entry.file_date,
            "_ingested_at": entry.ingested_at,
            "_batch_id": entry.batch_id,
        }
        columns = [
            constant(values[column.name], column.type, rows) if column.name in values else batch.column(column.name)
            for column in self._schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


def file_date(name: str) -> date | None:
    """Day in a file name (`2010-12-01.csv`, `sales_2010-12-01_v2.csv.gz`); None without one."""
    found = _DAY.search(name)
    if not found:
        return None
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        return None


def size_of(path: Path) -> int:
    """Bytes of a file; 0 when nobody can say, for reading it will tell what is wrong."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _groups(files: Iterable[Path]) -> Iterator[list[Path]]:
    group: list[Path] = []
    size = 0
    for path in files:
        length = size_of(path)
        if group and size + length > GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(path)
        size += length
    if group:
        yield group


@contextmanager
def _writing(lab: Lab, table: Table, consequence: str) -> Iterator[None]:
    """Say which table could not be written and what that means. Conflicts and refusals pass through."""
    try:
        yield
    except CommitFailedError:
        raise
    except (OSError, DeltaError) as error:
        cause = ": ".join(part.strip() for part in _DECORATION.sub("", str(error)).splitlines() if part.strip())
        raise LandingError(
            f"the table {table.full_name} cannot be written: {cause[:300]}",
            remedy=f"Make room or access below {lab.path('lake')} and run again: {consequence}",
        ) from error
