"""Named measurements for benchmarks of time-series databases: the same points as line protocol, remote write, batches.

| data | shape |
|---|---|
| temperature | sensors of 0.1 resolution that wander, one field, three tags |
| requests | counters that rise by 0 to 200 a step, one field, three tags |
| cpu | hosts in the manner of TSBS devops: ten whole gauges of 0 to 100 in one line, ten tags |

Steps of 10 s, all series at the same moment. Lanes hold disjoint series, so that several senders keep each series in
its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from quintet.timeseries import Batch, Labels, labels_of
from quintet.timeseries.remote import compress

__all__ = ["CPU_FIELDS", "STEP", "Data", "Lane", "Measurement"]

SECOND = 1_000_000_000
STEP = 10 * SECOND
#: Points in one request.
REQUEST_POINTS = 10_000
CPU_FIELDS = ("user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_REGIONS = ("eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-1")
_SERVICES = ("checkout", "search", "basket", "login", "catalogue", "payment", "mail", "images")


@dataclass(frozen=True)
class Measurement:
    """A measurement: names of fields, tags of each device, values float64[rows, devices * fields]."""

    name: str
    fields: tuple[str, ...]
    tags: list[dict[str, str]]
    values: npt.NDArray[np.float64]
    whole: bool

    @cached_property
    def labels(self) -> list[Labels]:
        """Labels of each column."""
        return [labels_of({"__name__": f"{self.name}_{field}", **tags}) for tags in self.tags for field in self.fields]

    def lines(self, row: int, time: int) -> Iterator[str]:
        """Line protocol of one moment."""
        end = f" {time}\n"
        values = self.values[row].tolist()
        width = len(self.fields)
        for device, head in enumerate(self._heads):
            mine = values[device * width : (device + 1) * width]
            if self.whole:
                yield (
                    head
                    + ",".join([f"{name}={value:.0f}i" for name, value in zip(self.fields, mine, strict=True)])
                    + end
                )
            else:
                yield head + f"{self.fields[0]}={mine[0]!r}" + end

    @cached_property
    def _heads(self) -> list[str]:
        return [
            ",".join([self.name, *(f"{name}={value}" for name, value in sorted(tags.items()))]) + " "
            for tags in self.tags
        ]


@dataclass(frozen=True)
class Lane:
    """What one sender sends, in order. points: in all."""

    measurements: tuple[Measurement, ...]
    start: int
    rows: int

    @property
    def points(self) -> int:
        return self.rows * self.width

    @property
    def width(self) -> int:
        """Series, points of one moment."""
        return sum(one.values.shape[1] for one in self.measurements)

    def _portions(self) -> Iterator[range]:
        rows = max(1, REQUEST_POINTS // self.width)
        for first in range(0, self.rows, rows):
            yield range(first, min(first + rows, self.rows))

    def line_bodies(self) -> list[bytes]:
        """Requests of line protocol, `REQUEST_POINTS` each, or one moment."""
        return [
            "".join(
                line for row in rows for one in self.measurements for line in one.lines(row, self.start + row * STEP)
            ).encode()
            for rows in self._portions()
        ]

    def batches(self) -> Iterator[Batch]:
        """The same for the API."""
        labels = tuple(labels for one in self.measurements for labels in one.labels)
        numbers = np.arange(len(labels), dtype=np.uint32)
        for rows in self._portions():
            times = np.repeat(self.start + np.arange(rows.start, rows.stop) * STEP, len(labels))
            values = np.concatenate([one.values[rows.start : rows.stop] for one in self.measurements], axis=1)
            yield Batch(labels, np.tile(numbers, len(rows)), times, values.ravel())

    def remote_bodies(self) -> list[bytes]:
        """The same as remote write: of each series the samples of all moments of a request."""
        columns = [_encoded(labels) for one in self.measurements for labels in one.labels]
        return [self._remote_body(rows, columns) for rows in self._portions()]

    def _remote_body(self, rows: range, columns: list[bytes]) -> bytes:
        values = np.concatenate([one.values[rows.start : rows.stop] for one in self.measurements], axis=1)
        # A sample: field 2, 16 bytes; in it field 1, a double, and field 2, ms as a varint of 6 bytes until 2109.
        samples = np.empty((len(columns), len(rows), 18), np.uint8)
        samples[:, :, :3] = (0x12, 16, 0x09)
        samples[:, :, 3:11] = np.ascontiguousarray(values.T).view(np.uint8).reshape(len(columns), len(rows), 8)
        samples[:, :, 11] = 0x10
        times = (self.start + np.arange(rows.start, rows.stop) * STEP) // 1_000_000
        for place in range(6):
            samples[:, :, 12 + place] = (times >> (7 * place)) & 0x7F | (0x80 if place < 5 else 0)
        series = samples.reshape(len(columns), -1)
        parts = []
        for labels, mine in zip(columns, series, strict=True):
            parts += [b"\x0a", _varint(len(labels) + mine.size), labels, mine.tobytes()]
        return compress(b"".join(parts))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _encoded(labels: Labels) -> bytes:
    """Labels of a series as fields of prometheus.TimeSeries."""
    pairs = [
        b"".join(bytes([tag]) + _varint(len(word)) + word for tag, word in zip((0x0A, 0x12), pair, strict=True))
        for pair in ((name.encode(), value.encode()) for name, value in labels)
    ]
    return b"".join(b"\x0a" + _varint(len(pair)) + pair for pair in pairs)


@dataclass(frozen=True)
class Data:
    """All lanes; [start, end), ns."""

    lanes: tuple[Lane, ...]
    start: int
    end: int

    @property
    def points(self) -> int:
        return sum(lane.points for lane in self.lanes)

    @property
    def series(self) -> int:
        return sum(lane.width for lane in self.lanes)

    @staticmethod
    def make(*, end: int, rows: int, sensors: int, instances: int, hosts: int, lanes: int) -> Data:
        """Measurements of `rows` moments before `end`, their devices dealt to lanes."""
        end = end // (60 * SECOND) * 60 * SECOND
        start = end - rows * STEP
        made = [
            Lane(
                (
                    _temperature(rows, range(lane, sensors, lanes)),
                    _requests(rows, range(lane, instances, lanes)),
                    _cpu(rows, range(lane, hosts, lanes)),
                ),
                start,
                rows,
            )
            for lane in range(lanes)
        ]
        return Data(tuple(made), start, end)

    def values(self, name: str) -> npt.NDArray[np.float64]:
        """All values of a measurement, float64[rows, columns]."""
        return np.concatenate(
            [one.values for lane in self.lanes for one in lane.measurements if one.name == name], axis=1
        )


def _temperature(rows: int, devices: range) -> Measurement:
    random = np.random.default_rng([1, devices.start])
    values = np.round(20 + np.cumsum(random.normal(0, 0.1, (rows, len(devices))), axis=0), 1)
    tags = [{"sensor": f"s{one:06}", "line": f"line-{one % 20}", "site": f"site-{one % 4}"} for one in devices]
    return Measurement("temperature", ("celsius",), tags, values, whole=False)


def _requests(rows: int, devices: range) -> Measurement:
    random = np.random.default_rng([2, devices.start])
    values = np.cumsum(random.integers(0, 200, (rows, len(devices))), axis=0).astype(float)
    tags = [
        {"instance": f"i{one:06}", "service": _SERVICES[one % 8], "code": ("200", "404", "500")[one % 3]}
        for one in devices
    ]
    return Measurement("requests", ("total",), tags, values, whole=True)


def _cpu(rows: int, devices: range) -> Measurement:
    random = np.random.default_rng([3, devices.start])
    columns = len(devices) * len(CPU_FIELDS)
    values = np.empty((rows, columns))
    now = random.integers(0, 101, columns).astype(float)
    for row in range(rows):  # a walk that stays within its bounds, as in TSBS
        now = np.clip(now + random.normal(0, 1, columns), 0, 100)
        values[row] = np.floor(now)
    tags = [
        {
            "hostname": f"host_{one}",
            "region": _REGIONS[one % 5],
            "datacenter": f"{_REGIONS[one % 5]}{'abc'[one % 3]}",
            "rack": str(one % 100),
            "os": ("Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10")[one % 3],
            "arch": ("x64", "x86")[one % 2],
            "team": ("SF", "NYC", "LON", "CHI")[one % 4],
            "service": str(one % 20),
            "service_version": str(one % 2),
            "service_environment": ("production", "staging", "test")[one % 3],
        }
        for one in devices
    ]
    return Measurement("cpu", tuple(f"usage_{name}" for name in CPU_FIELDS), tags, values, whole=True)
