"""Writing over HTTP: bodies become batches in threads, so that the event loop stays free for other requests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from quintet.errors import QuintetError
from quintet.timeseries.bodies import gunzip
from quintet.timeseries.errors import CardinalityError, PointsRefusedError
from quintet.timeseries.lineprotocol import PRECISIONS, LineError, LineParser, Precision
from quintet.timeseries.model import Batch
from quintet.timeseries.quotas import PointQuota
from quintet.timeseries.remote import KnownSeries, decompress, read_write
from quintet.timeseries.storage import Storage
from quintet.webservice.counters import Counters

__all__ = ["Ingest", "PartialWriteError", "precision_of"]

#: Refused lines that an answer lists; all of them are counted.
_LISTED = 100
#: Series whose labels a thread remembers by their bytes.
_KNOWN_SERIES = 1_000_000
_PRECISION_NAMES: dict[str, Precision] = {"": "ns", "n": "ns", "u": "us", "µ": "us", "ns": "ns", "us": "us", "ms": "ms"}


class PartialWriteError(Exception):
    """Some lines were refused; the points of the others are stored."""

    def __init__(self, written: int, errors: list[LineError]) -> None:
        lines = f"{len(errors)} line{'s' if len(errors) > 1 else ''}"
        listed = "; ".join(f"line {error.line}: {error.reason}" for error in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        super().__init__(f"partial write: {lines} refused, {written} points written: {listed}{more}")
        self.written = written
        self.errors = errors[:_LISTED]
        self.refused = len(errors)


@dataclass
class Ingest:
    """What writes share: the store, the quota, the counters; a parser for each thread."""

    store: Storage
    quota: PointQuota
    counters: Counters
    body_limit: int

    def __post_init__(self) -> None:
        self._threads = threading.local()

    def lines(self, body: bytes, *, encoding: str, precision: Precision, name: str) -> int:
        """Store a body of line protocol for the token `name`; the number of points.

        Raises:
            BodyError: the body cannot be unpacked within the limit.
            QuotaError: the token has written too much of late; nothing was stored.
            PartialWriteError: some lines were refused.
            PointsRefusedError: the store takes none of it, or not the points that are too old.

        """
        self.quota.take(name, 0)
        parsed = self._parser().parse(gunzip(body, encoding, self.body_limit), precision=precision)
        points = len(parsed.batch)
        if points:
            self.quota.take(name, points)
            points = self._append(parsed.batch)
        self.counters.add("points_written_total", points, protocol="line")
        if parsed.errors:
            self.counters.add("lines_refused_total", len(parsed.errors))
            raise PartialWriteError(points, parsed.errors)
        return self._all(points, len(parsed.batch))

    def samples(self, body: bytes, *, name: str) -> int:
        """Store a remote write request for the token `name`; the number of points.

        Raises:
            BodyError: the body cannot be read.
            QuotaError: the token has written too much of late; nothing was stored.
            PointsRefusedError: the store takes none of it, or not the points that are too old.

        """
        self.quota.take(name, 0)
        known: KnownSeries | None = getattr(self._threads, "known", None)
        if known is None or len(known) > _KNOWN_SERIES:
            known = self._threads.known = KnownSeries()
        batch = read_write(decompress(body, self.body_limit), known)
        if len(batch):
            self.quota.take(name, len(batch))
        points = self._append(batch) if len(batch) else 0
        self.counters.add("points_written_total", points, protocol="remote")
        return self._all(points, len(batch))

    def _append(self, batch: Batch) -> int:
        try:
            return self.store.append(batch)
        except QuintetError as error:
            self.counters.add("points_refused_total", len(batch), reason=_reason(error))
            raise

    def _all(self, accepted: int, sent: int) -> int:
        if accepted == sent:
            return accepted
        self.counters.add("points_too_old_total", sent - accepted)
        raise PointsRefusedError(
            f"partial write: {sent - accepted} of {sent} points are older than the out-of-order window, the others are "
            "written",
            remedy="Send points sooner, or serve with a longer --out-of-order",
        )

    def _parser(self) -> LineParser:
        parser: LineParser | None = getattr(self._threads, "parser", None)
        if parser is None:
            parser = self._threads.parser = LineParser()
        return parser


def _reason(error: QuintetError) -> str:
    match error:
        case CardinalityError():
            return "series limit"
        case PointsRefusedError():
            return "malformed"
    return "store"


def precision_of(text: str, refuse: Callable[[str], Exception]) -> Precision:
    """The precision of a request, in InfluxDB's spellings of version 1 and 2."""
    if text == "s":
        return "s"
    found = _PRECISION_NAMES.get(text)
    if found is None:
        raise refuse(f"precision {text!r}: choose among {', '.join(PRECISIONS)}")
    return found
