# environment: timeseries
# versions: numpy numba pyarrow zstandard uvicorn
"""The time-series service against VictoriaMetrics, InfluxDB and Prometheus of the distribution, in one run.

Each server is started alone on loopback with its storage in a scratch folder and gets the same points: temperatures
of 0.1 resolution, request counters, and CPU gauges in the manner of TSBS devops, every 10 s. VictoriaMetrics and
InfluxDB get the same bytes of line protocol as Quintet, without gzip; Prometheus gets the same bytes of remote write
as Quintet. Requests hold 10,000 points; two senders have disjoint series, so that each series comes in order.
points/s is from the first request to the last answer; bytes per point are those on disk after each server has merged
all it can, without log and caches. Queries go over HTTP on one kept connection. The last table has ten times the
series and a tenth of the moments: as many points.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import headline, progress, raw, skip, tidy_end
from series_data import STEP, Data
from series_servers import Client, InfluxDB, Prometheus, Question, Quintet, Server, VictoriaMetrics

from quintet.timeseries import Store

SECOND = 1_000_000_000
LANES = 2
BAR_RECENT_MS, BAR_MILLION_MS = 10.0, 100.0
#: Figures of which less is better; of the others more is.
LESS = ("bytes/point", "MB", "ms")
Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """moments: of each series; sensors, instances, hosts: devices of the three measurements; repeat: of each query."""

    moments: int
    sensors: int
    instances: int
    hosts: int
    repeat: int

    def data(self, end: int, factor: int = 1) -> Data:
        return Data.make(
            end=end,
            rows=self.moments // factor,
            sensors=self.sensors * factor,
            instances=self.instances * factor,
            hosts=self.hosts * factor,
            lanes=LANES,
        )


FULL = Size(moments=2160, sensors=500, instances=500, hosts=100, repeat=300)
QUICK = Size(moments=420, sensors=100, instances=100, hosts=20, repeat=20)


@dataclass(frozen=True)
class Bodies:
    """Requests of each lane, made once, sent to all."""

    data: Data
    lines: list[list[bytes]]
    remote: list[list[bytes]]

    @staticmethod
    def of(data: Data) -> Bodies:
        return Bodies(data, [lane.line_bodies() for lane in data.lanes], [lane.remote_bodies() for lane in data.lanes])

    def for_server(self, server: Server) -> list[list[bytes]]:
        return self.remote if server.remote else self.lines


def send(server: Server, lanes: Sequence[Sequence[bytes]]) -> float:
    """Seconds from the first request to the last answer, a sender for each lane."""
    trouble: list[BaseException] = []

    def work(bodies: Sequence[bytes]) -> None:
        client = Client(server.port)
        try:
            for body in bodies:
                server.write(client, body)
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            trouble.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=work, args=(bodies,)) for bodies in lanes]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - start
    if trouble:
        raise trouble[0]
    return took


def warm_up(server: Server, size: Size, data: Data) -> None:
    """What a server does once (Quintet compiles): small requests of the same kinds, older than all points."""
    small = Data.make(end=data.start - 60 * SECOND, rows=2, sensors=2, instances=2, hosts=2, lanes=1)
    send(server, Bodies.of(small).for_server(server))


def questions(data: Data, sensors: int) -> dict[str, tuple[int, Callable[[int], Question]]]:
    """Queries by name: how often in relation to the first, and the query by its turn."""
    start, end = data.start // SECOND, data.end // SECOND
    hour = f"time >= {end - 3600}s AND time < {end}s"
    span = f"time >= {start}s AND time < {end}s"
    points = data.values("temperature").size
    return {
        "one recent series, one hour": (
            1,
            lambda turn: Question(
                f'temperature_celsius{{sensor="s{turn * 7 % sensors:06}"}}',
                f"SELECT celsius FROM temperature WHERE sensor = 's{turn * 7 % sensors:06}' AND {hour}",
                end - 3600,
                end - 1,
                10,
            ),
        ),
        f"sum of {points / 1e6:.2f}M points": (
            15,
            lambda _: Question(
                f"sum(sum_over_time(temperature_celsius[{end - start}s]))",
                f"SELECT sum(celsius) FROM temperature WHERE {span}",
                start,
                end - 1,
                None,
            ),
        ),
        "rate by label, one hour in minutes": (
            10,
            lambda _: Question(
                "sum by (service) (rate(requests_total[5m]))",
                "SELECT sum(r) FROM (SELECT non_negative_derivative(mean(total), 1s) AS r FROM requests "
                f"WHERE {hour} GROUP BY time(1m), service, instance) WHERE {hour} GROUP BY time(1m), service",
                end - 3540,
                end,
                60,
            ),
        ),
    }


def ask_all(server: Server, size: Size, data: Data) -> tuple[list[Row], dict[str, float]]:
    """p50 and p99 of each query, and its result."""
    client = Client(server.port)
    rows, results = [], {}
    for name, (seldom, make) in questions(data, size.sensors).items():
        results[name] = server.number(server.ask(client, make(0)))
        took = []
        for turn in range(max(3, size.repeat // seldom)):
            question = make(turn)
            start = time.perf_counter()
            server.ask(client, question)
            took.append(1000 * (time.perf_counter() - start))
        took.sort()
        rows.append(
            {
                "server": server.name,
                "query": name,
                "times": len(took),
                "p50 ms": took[len(took) // 2],
                "p99 ms": took[min(len(took) - 1, int(len(took) * 0.99))],
            }
        )
    client.close()
    return rows, results


def measured(server: Server, folder: Path, size: Size, bodies: Bodies, *, ask: bool) -> tuple[Row, list[Row], Row]:
    """Write, merge, ask; the server is alone and gone afterwards."""
    data = bodies.data
    try:
        server.start(folder)
        warm_up(server, size, data)
        took = send(server, bodies.for_server(server))
        resident, _ = server.resident()
        client = Client(server.port)
        disk = server.settle(client)
        client.close()
        asked, results = ask_all(server, size, data) if ask else ([], {})
        row = {
            "server": server.name,
            "on disk when answered": server.durable,
            "series": data.series,
            "points": data.points,
            "points/s": data.points / took,
            "bytes/point": disk / data.points,
            "MB resident after writes": resident,
            "MB resident at most": server.resident()[1],
        }
    finally:
        server.stop()
    progress(f"{server.name}: {row['points/s']:,.0f} points/s, {row['bytes/point']:.2f} bytes/point")
    return row, asked, results


def through_api(folder: Path, data: Data) -> Row:
    """The same batches through `append`, synced, in this process; all of them in blocks at the end."""
    batches = [list(lane.batches()) for lane in data.lanes]
    with Store.open(folder) as store:
        start = time.perf_counter()
        for pair in zip(*batches, strict=True):
            for batch in pair:
                store.append(batch)
        took = time.perf_counter() - start
    return {
        "server": "quintet, API (append, synced)",
        "on disk when answered": "yes",
        "series": data.series,
        "points/s": data.points / took,
    }


def table(rows: Sequence[Row]) -> str:
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        lines.append("| " + " | ".join(_cell(row.get(name, "")) for name in head) + " |")
    return "\n".join(lines) + "\n\n"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def compared(ours: Row, theirs: Row) -> list[Row]:
    """How many times better we are, by figure: below 1 is a loss."""
    found = []
    for name, mine in ours.items():
        other = theirs.get(name)
        if name in {"series", "points", "times"} or not isinstance(mine, int | float) or not other or not mine:
            continue
        better = other / mine if any(word in name for word in LESS) else mine / other
        found.append({"figure": name, "quintet": float(mine), "peer": float(other), "times better": better})
    return found


def disagreements(results: dict[str, Row]) -> list[str]:
    """Answers that differ from Quintet's: of InfluxDB the sum only, as its rates are other ones."""
    ours = next(iter(results.values()))
    found = []
    for server, answers in results.items():
        for query, mine in ours.items():
            if server.startswith("influxdb") and not query.startswith("sum"):
                continue
            if abs(answers[query] - mine) > 1e-9 * max(1.0, abs(mine)):
                found.append(f"{server}, {query}: {answers[query]!r}, Quintet: {mine!r}")
    return found


def servers() -> tuple[list[Server], list[str]]:
    """Those that are here, Quintet before its peers, and why others are not."""
    kinds = (VictoriaMetrics, InfluxDB, Prometheus)
    absent = [reason for kind in kinds if (reason := kind.missing())]
    here = [kind for kind in kinds if not kind.missing()]
    found: list[Server] = [Quintet(), Quintet(interval=True), *(kind() for kind in here if not kind.remote)]
    if Prometheus in here:
        found += [Quintet(remote=True), Prometheus()]
    return found, absent


def ratios(written: Sequence[Row], asked: Sequence[Row]) -> list[Row]:
    """Each peer against Quintet by the same protocol; queries against Quintet's."""
    ours = {row["server"]: row for row in written if row["server"].startswith("quintet")}
    found = []
    for row in written:
        if row["server"] in ours:
            continue
        mine = ours["quintet, " + row["server"].partition(", ")[2]]
        found += [{"against": row["server"], "query": "", **one} for one in compared(mine, row)]
    for row in asked:
        mine = next(one for one in asked if one["query"] == row["query"])
        if not row["server"].startswith("quintet"):
            found += [{"against": row["server"], "query": row["query"], **one} for one in compared(mine, row)]
    return found


def summary(written: Sequence[Row], asked: Sequence[Row]) -> dict[str, bool]:
    """The bars and whether each is held."""
    mine = written[0]
    held = {}
    for row in written:
        if row["server"].startswith("victoria"):
            ratio = mine["points/s"] / row["points/s"]
            held[f"{ratio:.2f}x VictoriaMetrics' points/s through line protocol (bar: 1x)"] = ratio >= 1
    recent, million = asked[0]["p99 ms"], asked[1]["p50 ms"]
    held[f"a recent series over HTTP in {recent:.1f} ms at p99 (bar: 10)"] = recent <= BAR_RECENT_MS
    held[f"{asked[1]['query']} over HTTP in {million:.0f} ms (bar: 100)"] = million <= BAR_MILLION_MS
    return held


def _like_for_like(written: Sequence[Row]) -> str:
    """Quintet without waiting for the disk against peers that do not wait for it either."""
    (mine,) = [row for row in written if row["server"].endswith("synced each 100 ms")]
    peers = [
        row for row in written if row["server"].endswith(", line protocol") and row["on disk when answered"] == "no"
    ]
    found = [f"{row['server'].partition(',')[0]} {mine['points/s'] / row['points/s']:.2f}x" for row in peers]
    return ", ".join(found) + " the points/s." if found else "no peer that answers before its data is on disk."


def measure(size: Size, place: Path, known: Sequence[Server]) -> tuple[list[Row], list[Row], list[Row], list[str]]:
    """Rows of writing, of asking, of writing ten times the series, and what answers differ."""
    end = time.time_ns() - 600 * SECOND
    progress("making the points")
    bodies = Bodies.of(size.data(end))
    written, asked, results = [], [], {}
    for number, server in enumerate(known):
        row, answers, result = measured(server, place / f"base-{number}", size, bodies, ask=server.name not in _UNASKED)
        written.append(row)
        asked += answers
        if result:
            results[server.name] = result
    written.append(through_api(place / "api", bodies.data))
    del bodies
    many = Bodies.of(size.data(end, factor=10))
    grown = [
        measured(server, place / f"many-{number}", size, many, ask=False)[0] for number, server in enumerate(known)
    ]
    grown.append(through_api(place / "api-many", many.data))
    for row, before in zip(grown, written, strict=True):
        row["points/s, to the first table's"] = row["points/s"] / before["points/s"]
    return written, asked, grown, disagreements(results)


#: Asked once as Quintet: how it is written to does not change its queries.
_UNASKED = {"quintet, remote write", "quintet, line protocol, synced each 100 ms"}


def main(arguments: Sequence[str]) -> int:
    size = QUICK if "--quick" in arguments else FULL
    known, absent = servers()
    if all(isinstance(server, Quintet) for server in known):
        return skip("; ".join(absent))
    with tidy_end(), tempfile.TemporaryDirectory() as scratch:
        written, asked, grown, differing = measure(size, Path(scratch), known)
    against = ratios(written, asked)
    losses = [one for one in against if one["times better"] < 1]
    write = sys.stdout.write
    write(f"{written[0]['series']:,} series, {size.moments:,} moments {STEP // SECOND} s apart.\n\n")
    for server in known:
        version = f" {server.version()}" if server.package else ""
        if server.settings and server.name not in _UNASKED:
            write(f"- {server.name.partition(',')[0]}{version}: {server.settings}\n")
    for reason in absent:
        write(f"- not measured: {reason}\n")
    write("\n" + table(written) + table(asked) + "Ten times the series:\n\n" + table(grown))
    write("Against each peer by the same protocol:\n\n" + table(against))
    write(f"Line protocol with a log that is synced each 100 ms, to {_like_for_like(written)}\n\n")
    write("Losses: " + ("; ".join(_loss(one) for one in losses) or "none") + ".\n\n")
    write("Answers that differ: " + ("; ".join(differing) or "none") + ".\n\n")
    held = summary(written, asked)
    headline("; ".join(f"{text}: {'held' if good else 'MISSED'}" for text, good in held.items()))
    raw([*written, *asked, *grown, *against])
    return 0 if all(held.values()) and not differing else 1


def _loss(one: Row) -> str:
    what = f"{one['query']}, {one['figure']}" if one["query"] else one["figure"]
    return f"{one['against'].partition(',')[0]} {what} {_cell(one['peer'])} to {_cell(one['quintet'])}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
