"""The truth of a generated input: what the store must hold after loading and retention, known before it runs.

`expect` holds counts: `files`, `lines`, `refused_lines` (broken ones), `points_sent` (points of the good lines),
`points_stored` (distinct series and time), `points_expired` (too old for any retention that the lab may have),
`points_kept` (what is left), `series_kept`. `series` holds, for each series that is kept, what queries must answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quintet.generated import FILE_NAME, read_truth, write_truth

__all__ = ["FILE_NAME", "SeriesTruth", "Truth"]


@dataclass
class SeriesTruth:
    """One series. Values are whole numbers of `10 ** -places`; times are seconds since the epoch, UTC.

    resets: how often the value fell, for counters.
    """

    places: int
    points: int = 0
    total: int = 0
    low: int = 0
    high: int = 0
    last: int = 0
    last_at: int = 0
    resets: int = 0

    def add(self, at: int, value: int) -> None:
        """Count a point; times rise."""
        if self.points == 0:
            self.low = self.high = value
        elif value < self.last:
            self.resets += 1
        self.points += 1
        self.total += value
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.last, self.last_at = value, at

    def number(self, units: int) -> float:
        """The float64 that the text of a value is read as."""
        return float(units / 10**self.places)


@dataclass(frozen=True)
class Truth:
    """What must come out; `site` is the label that all series of this input carry, `begin` and `end` its time (s)."""

    source: str
    site: str
    begin: int
    end: int
    expect: Mapping[str, int]
    files: Mapping[str, Mapping[str, int]]
    series: Mapping[str, Mapping[str, SeriesTruth]]
    seed: int | None = None
    days: int | None = None
    expired: Mapping[str, int] = field(default_factory=dict)
    defects: Mapping[str, int] = field(default_factory=dict)
    poison: Mapping[str, Any] | None = None

    def write(self, path: Path) -> None:
        """Write as JSON, the same bytes for the same truth."""
        write_truth(path, self)

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Read a truth file.

        Raises:
            VerifyError: the file is absent, unreadable or of another form.

        """

        def made(raw: dict[str, Any]) -> Truth:
            series = {
                metric: {labels: SeriesTruth(**facts) for labels, facts in found.items()}
                for metric, found in raw.pop("series").items()
            }
            return cls(series=series, **raw)

        return read_truth(path, "timeseries", made)
