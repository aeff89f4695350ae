"""Seeded input of the project: a factory's measurements as line protocol, with every defect known.

`generate` writes `by_day/` (one gzip file a day, and one of old meter readings) and `truth.json`. The same arguments
give the same bytes on every machine. The truth is counted where each point is made, never read back from the store.

| series | what | shape |
|---|---|---|
| `climate_temperature_celsius` | 12 sensors, each minute, in tenths | daily curve, drift, hours without a sensor |
| `power_energy_wh` | 8 meters, each minute | counters that fall to 0 when a meter is exchanged |
| `web_requests` | 6 services, 2 methods, each minute | counters that begin anew when a service restarts |
| `web_latency_seconds` | the same, steps of 0.001 | gauges; absent in minutes without a request |
| `machine_rated_kw`, `machine_running` | 4 machines, every five minutes | constants; booleans |
| `meter_reading_kwh` | 8 meters, each day of 2015 to 2019 | beyond any retention of the lab: gone at the end |

Among them: lines that come late (in the next file) or out of order, exact duplicates in the same and in the next file,
values that a later line corrects, and broken lines far below the gate's threshold. All series carry the label `site`
with the seed in it, so that inputs of two seeds share nothing.

With `poison_day` one day's file is broken beyond the threshold; the whole file lies in `repaired/` and `repair` puts it
in place. The truth describes the state with the repaired file, and the poisoned one under `poison`.

Source: own derivation.
"""

from __future__ import annotations

import gzip
import io
import math
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from quintet.generated import poison_of, refuse_days, refuse_filled
from quintet.timeseries.truth import FILE_NAME, SeriesTruth, Truth

__all__ = ["Scale", "generate", "repair"]

DAY, MINUTE = 86_400, 60
#: Shares of lines that carry a defect; broken lines stay far below the gate's 5 % of a file.
LATE, SHIFTED, REPEATED, CORRECTED, BROKEN = 0.002, 0.004, 0.003, 0.002, 0.0005
BROKEN_AT_MOST = 25
#: One line of so many is broken in a poisoned file.
POISONED = 5
#: Old readings: first and last day.
HISTORY = date(2015, 1, 1), date(2019, 12, 31)

_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Scale:
    """Number of sources of each kind."""

    sensors: int = 12
    meters: int = 8
    services: int = 6
    machines: int = 4


@dataclass
class _Source:
    """What writes lines: its series key and, for each of its fields, the places of a value and the truth."""

    head: str
    labels: _Labels
    fields: dict[str, SeriesTruth]
    state: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Line:
    """A line: seconds since the epoch, the source, whole numbers by field; booleans and integers are told by places."""

    at: int
    source: _Source
    values: dict[str, int]

    @property
    def text(self) -> str:
        fields = ",".join(f"{name}={self._value(name, value)}" for name, value in self.values.items())
        return f"{self.source.head} {fields} {self.at}000000000"

    def _value(self, name: str, value: int) -> str:
        if name == "running":
            return "true" if value else "false"
        places = self.source.fields[name].places
        return f"{value / 10**places:.{places}f}" if places else f"{value}i"


def generate(
    out: Path,
    *,
    days: int = 30,
    seed: int = 7,
    start: date = date(2025, 1, 1),
    scale: Scale | None = None,
    poison_day: int | None = None,
) -> Truth:
    """Write an input folder and return its truth.

    Args:
        out: folder, made when absent; it must not hold an input yet.
        days: days of measurements.
        seed: the same seed gives the same bytes.
        start: first day.
        scale: number of sources.
        poison_day: day, from 1, whose file is broken.

    Raises:
        InputError: the folder holds files already, or the poison day lies outside.

    """
    refuse_days(days, poison_day)
    refuse_filled(out, out / "by_day")
    return _Factory(out, days, seed, start, scale or Scale()).run(poison_day)


def repair(out: Path) -> Path:
    """Put the repaired file in the place of the poisoned one; the path of the file."""
    poison = poison_of(out, Truth.read(out / FILE_NAME).poison)
    place = out / "by_day" / str(poison["file"])
    shutil.copyfile(out / "repaired" / str(poison["file"]), place)
    return place


class _Factory:
    def __init__(self, out: Path, days: int, seed: int, start: date, scale: Scale) -> None:
        self.out, self.days, self.seed, self.start = out, days, seed, start
        self.random = Random(seed)  # noqa: S311 - data, not secrets
        self.site = f"works-{seed}"
        self.begin = int(datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp())
        self.counts: dict[str, int] = defaultdict(int)
        self.defects: dict[str, int] = defaultdict(int)
        self.files: dict[str, dict[str, int]] = {}
        self.carried: list[_Line] = []
        self.sensors = [
            self._source("climate", {"temperature_celsius": 1}, hall=f"h{number % 3}", sensor=f"t{number:02d}")
            for number in range(scale.sensors)
        ]
        self.meters = [
            self._source("power", {"energy_wh": 0}, line=f"l{number % 4}", meter=f"m{number:02d}")
            for number in range(scale.meters)
        ]
        self.services = [
            self._source("web", {"requests": 0, "latency_seconds": 3}, method=method, service=f"s{number}")
            for number in range(scale.services)
            for method in ("GET", "POST")
        ]
        self.machines = [
            self._source("machine", {"rated_kw": 1, "running": 0}, machine=f"press {number}")
            for number in range(scale.machines)
        ]

    def _source(self, measurement: str, places: dict[str, int], **tags: str) -> _Source:
        labels = tuple(sorted({"site": self.site, **tags}.items()))
        key = ",".join([measurement, *(f"{name}={value.replace(' ', chr(92) + ' ')}" for name, value in labels)])
        return _Source(key, labels, {name: SeriesTruth(place) for name, place in places.items()})

    def run(self, poison_day: int | None) -> Truth:
        (self.out / "by_day").mkdir(parents=True, exist_ok=True)
        expired = self._history()
        poison = None
        for number in range(self.days):
            name = f"{self.start + timedelta(days=number)}.lp.gz"
            texts = self._day(number, last=number == self.days - 1)
            if number + 1 == poison_day:
                poison = self._poison(name, texts)
            else:
                _write(self.out / "by_day" / name, texts)
        truth = self._truth(expired, poison)
        truth.write(self.out / FILE_NAME)
        return truth

    def _truth(self, expired: int, poison: dict[str, object] | None) -> Truth:
        series: dict[str, dict[str, SeriesTruth]] = defaultdict(dict)
        for source in (*self.sensors, *self.meters, *self.services, *self.machines):
            for name, facts in source.fields.items():
                labels = ",".join(f"{label}={value}" for label, value in source.labels)
                series[f"{source.head.partition(',')[0]}_{name}"][labels] = facts
        kept = sum(facts.points for found in series.values() for facts in found.values())
        return Truth(
            source=f"generated, {self.days} days, seed {self.seed}",
            site=self.site,
            begin=self.begin,
            end=self.begin + self.days * DAY,
            seed=self.seed,
            days=self.days,
            files=self.files,
            series=dict(series),
            expired={"meter_reading_kwh": expired},
            defects=dict(self.defects),
            poison=poison,
            expect={
                "files": len(self.files),
                "lines": self.counts["lines"],
                "refused_lines": self.defects["broken"],
                "points_sent": self.counts["sent"],
                "points_stored": kept + expired,
                "points_expired": expired,
                "points_kept": kept,
                "series_kept": sum(map(len, series.values())),
            },
        )

    def _history(self) -> int:
        """Old readings, in one file named after its last day; the number of points."""
        first, last = HISTORY
        begin = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
        days = (last - first).days + 1
        texts = []
        for meter in self.meters:
            head = meter.head.replace("power", "meter", 1)
            reading = self.random.randrange(1000)
            for number in range(days):
                reading += self.random.randrange(20, 400)
                texts.append(f"{head} reading_kwh={reading}i {begin + number * DAY}000000000")
        self._count(f"{last}.lp.gz", len(texts), len(texts))
        _write(self.out / "by_day" / f"{last}.lp.gz", texts)
        return len(texts)

    def _day(self, number: int, *, last: bool) -> list[str]:
        """Texts of one day's file, in the order in which they stand in it."""
        begin = self.begin + number * DAY
        broken = 0
        lines: list[_Line | str] = list(self.carried)
        self.carried = []
        behind: list[_Line | str] = []
        for line in self._lines(begin):
            chance = self.random.random()
            for name, value in line.values.items():
                line.source.fields[name].add(line.at, value)
            if chance < LATE:
                self.defects["late"] += 1
                (behind if last else self.carried).append(line)
            elif (chance := chance - LATE) < SHIFTED:
                self.defects["out_of_order"] += 1
                behind.append(line)
            elif (chance := chance - SHIFTED) < REPEATED:
                self.defects["repeated"] += 1
                lines.append(line)
                (behind if last or chance < REPEATED / 2 else self.carried).append(line)
            elif (chance := chance - REPEATED) < CORRECTED and line.source in self.sensors:
                self.defects["corrected"] += 1
                wrong = {name: value + 500 for name, value in line.values.items()}
                lines.append(_Line(line.at, line.source, wrong))
                (behind if last or chance < CORRECTED / 2 else self.carried).append(line)
            else:
                lines.append(line)
                if chance - CORRECTED < BROKEN and broken < BROKEN_AT_MOST:
                    broken += 1
                    lines.append(self._broken(line))
        lines += behind
        sent = sum(len(line.values) for line in lines if isinstance(line, _Line))
        self.defects["broken"] += broken
        self._count(f"{self.start + timedelta(days=number)}.lp.gz", len(lines), sent, broken)
        return [line if isinstance(line, str) else line.text for line in lines]

    def _count(self, file: str, lines: int, points: int, refused: int = 0) -> None:
        self.files[file] = {"lines": lines, "points": points, "refused_lines": refused}
        self.counts["lines"] += lines
        self.counts["sent"] += points

    def _broken(self, line: _Line) -> str:
        head, at = line.source.head, f"{line.at}000000000"
        return self.random.choice(
            (
                f'{head} note="out of order" {at}',
                f"{head} {at}",
                f"{head} value=12,3 {at}",
                f"{head} value=9007199254740993i {at}",
                f"{head},room= value=1 {at}",
                f"{head} value=1 {at[:10]}T00",
            )
        )

    def _lines(self, begin: int) -> Iterator[_Line]:
        """Lines of a day as the sources make them, by time."""
        gaps = {id(source): self._gap() for source in self.sensors}
        resets = {id(source): self.random.randrange(0, 6 * DAY) for source in (*self.meters, *self.services)}
        for second in range(0, DAY, MINUTE):
            for source in self.sensors:
                low, high = gaps[id(source)]
                if not low <= second < high:
                    yield _Line(begin + second, source, {"temperature_celsius": self._temperature(source, second)})
            for source in self.meters:
                yield _Line(begin + second, source, {"energy_wh": self._energy(source, second, resets[id(source)])})
            for source in self.services:
                yield _Line(begin + second, source, self._web(source, second, resets[id(source)]))
            if second % (5 * MINUTE) == 0:
                for number, source in enumerate(self.machines):
                    running = int(6 * 3600 <= second < 22 * 3600 or number == 0)
                    yield _Line(begin + second, source, {"rated_kw": 75 + 110 * number, "running": running})

    def _gap(self) -> tuple[int, int]:
        """Seconds of the day without a sensor; most days have none."""
        if self.random.random() > 0.15:
            return 0, 0
        low = self.random.randrange(0, DAY, MINUTE)
        return low, low + self.random.randrange(600, 4 * 3600)

    def _temperature(self, source: _Source, second: int) -> int:
        drift = source.state.get("drift", self.random.uniform(-30, 30)) + self.random.gauss(0, 0.4)
        source.state["drift"] = drift * 0.9995
        return round(205 + drift + 40 * math.sin(2 * math.pi * (second / DAY - 0.4)))

    def _energy(self, source: _Source, second: int, reset: int) -> int:
        load = 400 + 300 * (6 * 3600 <= second < 22 * 3600) + self.random.randrange(60)
        source.state["wh"] = 0 if second // MINUTE == reset // MINUTE else source.state.get("wh", 0) + load
        return int(source.state["wh"])

    def _web(self, source: _Source, second: int, reset: int) -> dict[str, int]:
        busy = 3 if 8 * 3600 <= second < 20 * 3600 else 1
        made = max(0, int(self.random.gauss(busy * 12, busy * 6)))
        source.state["made"] = 0 if second // MINUTE == reset // MINUTE else source.state.get("made", 0) + made
        values = {"requests": int(source.state["made"])}
        if made:
            values["latency_seconds"] = max(1, round(self.random.lognormvariate(3.4, 0.5)))
        return values

    def _poison(self, name: str, texts: list[str]) -> dict[str, object]:
        repaired = self.out / "repaired" / name
        repaired.parent.mkdir()
        _write(repaired, texts)
        spoilt = list(texts)
        for place in range(0, len(spoilt), POISONED):
            body, _, at = spoilt[place].rpartition(" ")
            head, _, fields = body.rpartition(" ")
            spoilt[place] = f"{head or body} {fields.partition('=')[0]}=many {at}"
        _write(self.out / "by_day" / name, spoilt)
        return {"file": name, "lines": len(spoilt), "broken_lines": len(range(0, len(spoilt), POISONED))}


def _write(path: Path, texts: list[str]) -> None:
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as target,
    ):
        target.writelines(f"{text}\n" for text in texts)
