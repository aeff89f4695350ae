"""Which files a silver run works on, and how far their change reaches.

A file has changed when it is new, when a newer version of it came or when rows of it were taken into or let out of
quarantine. A row of a changed file can matter to rows of other files only through its business key, and equal
business keys have equal trade dates. So the reach of a change is: its trade dates; the files that hold accepted rows
of these dates, whose balance may change; and, to count these files whole, all files that share a date with them.

Everything here is plain data: Spark lists the files, and reads what the scope names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from quintet.errors import LabError

__all__ = ["Balanced", "BronzeFile", "Days", "Scope", "Selection", "Span", "select_files"]

#: First and last day, both inclusive.
Span = tuple[date, date]


@dataclass(frozen=True)
class BronzeFile:
    """A file version that landed; `rows` counts its bronze rows, `held` those that stand open in quarantine."""

    file_hash: str
    source_file: str
    file_version: int
    file_date: date | None
    rows: int
    held: int = 0


@dataclass(frozen=True)
class Balanced:
    """What the balance says of a file that silver has published; `span` is that of its accepted rows."""

    file_hash: str
    quarantined_rows: int
    superseded_rows: int
    span: Span | None


@dataclass(frozen=True)
class Days:
    """Range of file dates that a run was asked for; a file without date lies in the unbounded range only."""

    first: date | None = None
    last: date | None = None

    @property
    def is_bounded(self) -> bool:
        """A range was asked for."""
        return self.first is not None or self.last is not None

    def __contains__(self, day: date | None) -> bool:
        if day is None:
            return not self.is_bounded
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True)
class Selection:
    """Files that silver stands on after the run (`published`), and those of them that changed (hashes)."""

    published: tuple[BronzeFile, ...]
    changed: frozenset[str]
    spans: Mapping[str, Span]

    @property
    def is_everything(self) -> bool:
        """Every published file changed: there is nothing to keep."""
        return bool(self.changed) and len(self.changed) == len(self.published)

    @property
    def latest(self) -> dict[str, int]:
        """Version that counts of each file name."""
        found: dict[str, int] = {}
        for file in self.published:
            found[file.source_file] = max(file.file_version, found.get(file.source_file, 0))
        return found

    def everything(self) -> Scope:
        """Scope of a run over all published files."""
        hashes = frozenset(file.file_hash for file in self.published)
        return Scope(None, hashes, hashes, ())

    def scope(self, dates: Collection[date]) -> Scope:
        """How far a change of the rows of these trade dates reaches."""
        touched = [(day, day) for day in dates]
        balanced = self.changed | self._sharing(touched)
        window = _merged([*touched, *(self.spans[name] for name in balanced if name in self.spans)])
        return Scope(frozenset(dates), frozenset(balanced), frozenset(balanced | self._sharing(window)), window)

    def _sharing(self, spans: Iterable[Span]) -> set[str]:
        wanted = list(spans)
        return {
            name
            for name, (first, last) in self.spans.items()
            if any(start <= last and first <= end for start, end in wanted)
        }


@dataclass(frozen=True)
class Scope:
    """What a run reads and writes.

    `dates` are the trade dates whose lines are written, `balanced` the files whose balance is, `read` the files that
    must be read for it, and `window` the trade dates in which their rows are looked at. A run over everything has
    no bound of dates: None.
    """

    dates: frozenset[date] | None
    balanced: frozenset[str]
    read: frozenset[str]
    window: tuple[Span, ...]


def select_files(
    files: Iterable[BronzeFile], balances: Iterable[Balanced], days: Days, *, full_refresh: bool = False
) -> Selection:
    """Files of this run.

    With a range of days, new files outside wait for another run and all files inside count as changed; a full refresh
    of a range is no more than that. A full refresh without a range forgets the balances: every file is changed.

    Raises:
        LabError: the balance knows files that bronze does not, for example after bronze was rolled back.

    """
    known = {} if full_refresh and not days.is_bounded else {balance.file_hash: balance for balance in balances}
    every = list(files)
    _refuse_vanished(set(known) - {file.file_hash for file in every})
    published = tuple(file for file in every if file.file_hash in known or file.file_date in days)
    spans = {name: balance.span for name, balance in known.items() if balance.span is not None}
    selection = Selection(published, frozenset(), spans)
    latest = selection.latest
    changed = frozenset(
        file.file_hash
        for file in published
        if file.file_hash not in known
        or (days.is_bounded and file.file_date in days)
        or _has_moved(file, known[file.file_hash], is_latest=file.file_version == latest[file.source_file])
    )
    return Selection(published, changed, spans)


def _has_moved(file: BronzeFile, balance: Balanced, *, is_latest: bool) -> bool:
    """Whether the balance no longer says where the file's rows belong."""
    if not is_latest:
        return balance.superseded_rows != file.rows
    return balance.superseded_rows != 0 or balance.quarantined_rows != file.held


def _refuse_vanished(hashes: set[str]) -> None:
    if hashes:
        raise LabError(
            f"silver was built from {len(hashes)} files that bronze no longer has (first content hash "
            f"{min(hashes)[:12]})",
            remedy="Rebuild silver from what bronze has: run with --full-refresh",
        )


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)
