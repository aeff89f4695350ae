# environment: controller
# versions: apache-flink kafka
"""Ten thousand events of the shop a second on the running lab: how far behind its figures are, and whether all count.

An open shop sends for five minutes what happens in it now, each record at its time (open loop: a record that is late
does not move those behind it, and its time is the one that it was to be sent at). Records are made and encoded before,
so that only sending them takes from the machine; both streams of the project read them, started without state.
Five times a second a probe goes beside them, an event whose minute no other event has, of each kind that minutes count
in turn. Event to figure is the time from the moment at which a probe was to be sent until PostgreSQL has its row in
`live_ecommerce.minutes`, asked twenty times a second; the asking counts. The age of the figures is the same for all
records: at each of these looks, since when the one waits that `live_ecommerce.handled` lacks for the longest time,
those of a kind taken to be counted in the order of arrival. Cold beginning included, but for the records a second that
are counted: these from the tenth part of the time on.
At the end all figures that people are shown are compared with the truth; a difference is no result.
The project must hold no input (QUINTET_BENCH_FRESH=1 has it emptied), and is emptied, its streams stopped, at the end.
The bars: 10,000 events a second are sent and counted; event to figure in less than 5 s for 95 of 100.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import headline, progress, raw
from running import NotThereError, on_lab
from streaming import Streams, streaming_lab

from quintet.catalogue import project
from quintet.catalogue.ecommerce import SLUG
from quintet.ecommerce.reset import reset
from quintet.runs.run import reset_project

#: Records a second on average of a shop that is open for days; for minutes of it, nothing of which is long ago, it is
#: a twentieth less: somewhat more than the bar.
RATE = 10_700
SECONDS, QUICK = 300, 30
#: Events a second; seconds.
BAR_RATE, BAR_FIGURE = 10_000, 5.0
CLIENT = "shop_load_client.py"
JOBS = ("live_figures", "live_products")
#: Seconds until the first record, and of these for each second of records: what making them takes on a slow machine.
LEAD, LEAD_EACH = 60, 0.4
#: Seconds that must be left for the programs to start; for the streams to count, and to be through, at the most.
LEFT, DRAINED = 10, 1000


def find(*, fresh: bool) -> Streams:
    """The lab, when its project may be emptied. Raises NotThereError."""
    streams = Streams(streaming_lab())
    held = streams.client(CLIENT, "held")
    if (held["input"] or held["records"]) and not fresh:
        raise NotThereError(
            f"the project {SLUG} holds {held['records']:,} records ({held['input'] or 'of no input'}), and this "
            "benchmark empties it. Allow that: QUINTET_BENCH_FRESH=1"
        )
    return streams


def measure(streams: Streams, seconds: int, lead: float, *, fresh: bool) -> int:
    lab = streams.lab
    progress(f"emptying the project {SLUG}, starting its streams")
    if fresh:
        reset_project(lab, project(SLUG))
    else:
        reset(lab)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir=lab.path("input")))
    try:
        streams.call("quintet.ecommerce.pipeline:prepare")
        for job in JOBS:
            streams.module("airflow", "quintet.flink", "deploy", f"{SLUG}/{job}", "--fresh")
        start = math.ceil(time.time() + lead)
        progress(f"making the records; the first is sent in {lead:.0f} s")
        made = streams.client(CLIENT, "make", start * 1000, seconds, RATE, folder)
        if made["left_s"] < LEFT:
            raise RuntimeError(f"making the records took until {made['left_s']} s before the first: give more, --lead")
        progress(f"{made['expect']['records']:,} events from {seconds} s; they are sent in {made['left_s']:.0f} s")
        sent, watched = under_load(streams, start, seconds, folder)
        progress("waiting until both streams are through, comparing")
        comparing = streams.start_client(CLIENT, "compare", start * 1000, seconds, folder)
        compared = streams.answer(comparing, within=DRAINED)
    finally:
        progress(f"emptying the project {SLUG}")
        shutil.rmtree(folder, ignore_errors=True)
        reset(lab)
    wrong = [check for check in compared["checks"] if not check["ok"]]
    if wrong:
        raise RuntimeError(f"the figures are not those of what was sent: {wrong}")
    return report(seconds, sent, watched, compared)


def under_load(streams: Streams, start: int, seconds: int, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send and watch at once; what both tell."""
    programs = [
        streams.start_client(CLIENT, "send", start * 1000, folder),
        streams.start_client(CLIENT, "watch", start * 1000, seconds, folder),
    ]
    within = start - time.time() + seconds + DRAINED
    try:
        sent = streams.answer(programs[0], within=within)
        progress(f"sent: {sent}")
        watched = streams.answer(programs[1], within=within)
        progress(f"event to figure {watched['probes_ms']}, age {watched['age_ms']}")
    finally:
        for running in programs:
            if running.poll() is None:
                running.kill()
                running.wait()
    return sent, watched


def report(seconds: int, sent: dict[str, Any], watched: dict[str, Any], compared: dict[str, Any]) -> int:
    probes, rate, counted = watched["probes_ms"], sent["per_second"], watched["counted_per_second"]

    def row(name: str, figures: dict[str, float]) -> str:
        values = " | ".join(f"{figures[name] / 1000:.2f}" for name in ("p50", "p95", "p99", "max"))
        return f"| {name} | {figures['samples']:,} | {values} |"

    lines = [
        "| seconds | samples | p50 | p95 | p99 | max |",
        "|---|---|---|---|---|---|",
        row("**event to figure**", probes),
        *(row(f"of these {kind}", figures) for kind, figures in watched["kinds_ms"].items()),
        row("age of the figures", watched["age_ms"]),
        row("lateness of the sender, each 20 ms", sent["late_ms"]),
        "",
        f"| {seconds} s | |",
        "|---|---|",
        f"| records sent | {sent['records']:,} |",
        f"| records sent a second | {rate:,} |",
        f"| records counted a second | {counted:,} |",
        f"| records not yet counted when the last was due | {watched['behind']:,} |",
        f"| seconds from the last record until all are counted | {watched['all_counted_after']:.1f} |",
        f"| processor seconds of the sender | {sent['cpu_seconds']:.0f} |",
        "",
        f"Afterwards the figures were those of the truth: {len(compared['checks'])} comparisons, "
        f"{compared['through_s']:.0f} s after the end of the input was sent.",
    ]
    sys.stdout.write("\n".join(lines) + "\n\n")
    is_sustained = min(rate, counted) >= BAR_RATE
    is_soon = probes["p95"] < BAR_FIGURE * 1000
    headline(
        f"{rate:,} events/s of the shop sent for {seconds} s and {counted:,} counted (bar: {BAR_RATE:,}: "
        f"{'held' if is_sustained else 'MISSED'}), each once; an event is in the figures after "
        f"{probes['p50'] / 1000:.1f} s (p50), {probes['p95'] / 1000:.1f} s (p95; bar: {BAR_FIGURE:.0f} s: "
        f"{'held' if is_soon else 'MISSED'}), {probes['p99'] / 1000:.1f} s (p99)"
    )
    told = {name: value for name, value in watched.items() if name != "stretches"}
    raw([sent, told, *watched["stretches"]])
    return 0 if is_sustained and is_soon else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="The shop's streams under load.")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="how long records are sent")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} s")
    parser.add_argument("--lead", type=float, help="seconds until the first record")
    is_allowed = os.environ.get("QUINTET_BENCH_FRESH") == "1"
    parser.add_argument("--fresh", action="store_true", default=is_allowed, help="empty a project that holds an input")
    options = parser.parse_args()
    seconds = QUICK if options.quick else options.seconds
    lead = options.lead or LEAD + LEAD_EACH * seconds
    return on_lab(
        lambda: find(fresh=options.fresh), lambda streams: measure(streams, seconds, lead, fresh=options.fresh)
    )


if __name__ == "__main__":
    sys.exit(main())
