# environment: controller
# versions: dbt-core dbt-trino trino duckdb deltalake
"""The gold build on the running lab: dbt through Trino, against the same SQL in one DuckDB process.

dbt builds every model with all its tests from the lab's silver tables into a schema of its own, which is dropped
afterwards: the lab's gold is not touched. The first build makes the tables, the second replaces them, as each run
does. Then the SQL that dbt compiled runs in DuckDB over the Parquet files of the same silver tables, as it is, table
by table, each written as Parquet; a model whose SQL DuckDB refuses, or whose rows or sums differ, is named and left
out on both sides. Seconds of dbt are those it states for the models, without its own start; of DuckDB the median of
three fresh processes, without the start of Python. DuckDB keeps no snapshots, checks no contracts and serves nobody.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from measuring import ROOT, headline, peer_python, progress, raw
from running import NotThereError, on_lab, running_lab

from quintet import dbt
from quintet.catalogue import tables
from quintet.lake.trino import connect, query
from quintet.runs.programs import run_command
from quintet.runs.record import hand_over
from quintet.settings import Lab

SCHEMA = "benchmark_gold"
RELATION = f"iceberg.{SCHEMA}"
LINES = "delta.silver_lakehouse.invoice_lines"
PEER_RUNS = 3
#: Seconds for one run of the peer.
LIMIT = 120

Ask = Callable[[str], list[list[Any]]]


@dataclass(frozen=True)
class Build:
    """One run of dbt: seconds on the clock, seconds that dbt states, results by kind and status, seconds by model."""

    wall: float
    stated: float
    counts: Mapping[tuple[str, str], int]
    models: Mapping[str, float]

    @property
    def passed(self) -> int:
        return sum(number for (_, status), number in self.counts.items() if status in {"success", "pass"})

    def of(self, kind: str) -> int:
        return sum(number for (found, _), number in self.counts.items() if found == kind)


def copy_project(place: Path) -> Path:
    """The clone's dbt project, with every relation in the benchmark's schema."""
    project = place / "dbt"
    shutil.copytree(ROOT / "dbt", project, ignore=shutil.ignore_patterns("target", "logs"))
    macro = "{% macro generate_schema_name(custom_schema_name, node) -%}" + SCHEMA + "{%- endmacro %}\n"
    (project / "macros" / "generate_schema_name.sql").write_text(macro, encoding="utf-8")
    return project


def run_dbt(lab: Lab, project: Path, *arguments: str) -> Build:
    """Run dbt as the lab's user. Raises LabError with the end of its output when anything fails."""
    target = project / "target"
    variables = [f"{name}={value}" for name, value in dbt.environment(lab).items()]
    variables += [f"DBT_LOG_PATH={project / 'logs'}"]
    command: Sequence[str] = [
        "/usr/bin/env",
        *variables,
        str(lab.environment("dbt").program("dbt")),
        *arguments,
        *("--project-dir", str(project), "--profiles-dir", str(project)),
        *("--target", dbt.TARGET, "--target-path", str(target)),
    ]
    start = time.perf_counter()
    run_command(lab, command)
    wall = time.perf_counter() - start
    return read_build(json.loads((target / "run_results.json").read_text(encoding="utf-8")), wall)


def read_build(results: Mapping[str, Any], wall: float) -> Build:
    """Figures of dbt's run_results.json."""
    found = [(row["unique_id"].split("."), row["status"], row["execution_time"]) for row in results["results"]]
    return Build(
        wall=wall,
        stated=results["elapsed_time"],
        counts=Counter((parts[0], status) for parts, status, _ in found),
        models={parts[-1]: seconds for parts, _, seconds in found if parts[0] == "model"},
    )


def peer_models(manifest: Mapping[str, Any]) -> list[dict[str, str]]:
    """Tables that dbt made, in order of need, each with the SQL that it compiled."""
    nodes = {
        name: node
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
    }
    everything = manifest["nodes"]
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order or name not in everything:
            return
        for needed in everything[name]["depends_on"]["nodes"]:
            visit(needed)
        order.append(name)

    for name in sorted(nodes):
        visit(name)
    return [
        {"name": nodes[name]["name"], "relation": nodes[name]["relation_name"], "sql": nodes[name]["compiled_code"]}
        for name in order
        if name in nodes
    ]


def run_peer(plan: Mapping[str, Any], place: Path) -> dict[str, Any]:
    file = place / "plan.json"
    file.write_text(json.dumps(plan), encoding="utf-8")
    script = Path(__file__).with_name("duckdb_gold.py")
    done = subprocess.run(
        [peer_python(), str(script), str(file)], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the peer failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def differs(model: Mapping[str, Any], ask: Ask) -> str | None:
    """Why a table of the peer is not the one that Trino made; None: same rows and sums."""
    if "error" in model:
        return f"DuckDB refuses it: {model['error']}"
    money = list(model["sums"])
    asked = ", ".join(["count(*)", *(f'sum("{name}")' for name in money)])
    rows, *sums = ask(f"select {asked} from {RELATION}.{model['name']}")[0]
    if rows != model["rows"]:
        return f"{model['rows']:,} rows, Trino made {rows:,}"
    for name, ours in zip(money, sums, strict=True):
        theirs = model["sums"][name]
        if (theirs == "None") != (ours is None) or (ours is not None and Decimal(theirs) != ours):
            return f"the sum of {name} is {theirs}, in Trino {ours}"
    return None


def drop_schema(lab: Lab, ask: Ask) -> None:
    """Take away every trace of the benchmark in the lake."""
    known = ask(f"select table_name from iceberg.information_schema.tables where table_schema = '{SCHEMA}'")
    for (name,) in known:
        ask(f'drop table if exists {RELATION}."{name}"')
    ask(f"drop schema if exists {RELATION}")
    shutil.rmtree(lab.path("lake") / "iceberg" / SCHEMA, ignore_errors=True)


@contextmanager
def own_schema(lab: Lab, ask: Ask) -> Iterator[None]:
    """Nothing of an earlier benchmark before, nothing of this one after."""
    drop_schema(lab, ask)
    try:
        yield
    finally:
        drop_schema(lab, ask)


def measure(lab: Lab, ask: Ask, lines: int) -> int:
    with tempfile.TemporaryDirectory() as scratch, own_schema(lab, ask):
        place = Path(scratch)
        work = place / "work"
        work.mkdir()
        project = copy_project(work)
        place.chmod(0o755)
        hand_over(lab, work)
        first = run_dbt(lab, project, "build")
        progress(f"first build {first.wall:.1f} s")
        second = run_dbt(lab, project, "build")
        progress(f"second build {second.wall:.1f} s, {second.passed} passed")
        models = peer_models(json.loads((project / "target" / "manifest.json").read_text(encoding="utf-8")))
        silver = [table for table in tables("lakehouse") if table.schema == "silver_lakehouse"]
        sources = {table.full_name: str(lab.path("lake") / table.location) for table in silver}
        out = place / "peer"
        out.mkdir()
        plan = {"sources": sources, "models": models, "out": str(out)}
        trial = run_peer(plan, place)
        reasons = {model["name"]: reason for model in trial["models"] if (reason := differs(model, ask))}
        compared = [model for model in models if model["name"] not in reasons]
        progress(f"{len(compared)} of {len(models)} models compared")
        if not compared:
            raise RuntimeError(f"no model can be compared: {reasons}")
        peers = [run_peer({**plan, "models": compared}, place) for _ in range(PEER_RUNS)]
        alone = run_dbt(lab, project, "run", "--select", *(model["name"] for model in compared))
    report(lines, first, second, alone, peers, reasons)
    return 0


def report(
    lines: int, first: Build, second: Build, alone: Build, peers: list[dict[str, Any]], reasons: Mapping[str, str]
) -> None:
    peer = statistics.median(run["seconds"] for run in peers)
    by_model = {
        model["name"]: statistics.median(run["models"][place]["seconds"] for run in peers)
        for place, model in enumerate(peers[0]["models"])
    }
    rows = {model["name"]: model["rows"] for model in peers[0]["models"]}
    tests = second.of("test") + second.of("unit_test")
    text = [
        f"Input: the silver tables of the running lab, {lines:,} invoice lines. Three threads of dbt, one Trino.\n",
        "| what | seconds | of which dbt's start |",
        "|---|---|---|",
        f"| dbt build, tables made | {first.wall:.1f} | {first.wall - first.stated:.1f} |",
        f"| dbt build, tables replaced: {second.of('model')} models, {tests} tests, PASS={second.passed} "
        f"of {sum(second.counts.values())} | {second.wall:.1f} | {second.wall - second.stated:.1f} |",
        f"| dbt run, {len(by_model)} models without tests | {alone.wall:.1f} | {alone.wall - alone.stated:.1f} |",
        f"| DuckDB, the same {len(by_model)} models | {peer:.2f} | |",
        "",
        "| model | rows | dbt on Trino, s | DuckDB, s |",
        "|---|---|---|---|",
        *(
            f"| {name} | {rows[name]:,} | {alone.models[name]:.2f} | {seconds:.2f} |"
            for name, seconds in by_model.items()
        ),
        *(f"\nNot compared: {name}: {reason}." for name, reason in sorted(reasons.items())),
    ]
    sys.stdout.write("\n".join(text) + "\n\n")
    ratio = alone.stated / peer
    verdict = f"{ratio:.1f}x as long" if ratio >= 1 else f"{1 / ratio:.1f}x faster"
    headline(
        f"dbt builds {second.of('model')} models with {tests} tests through Trino in {second.wall:.0f} s "
        f"(PASS={second.passed}); {len(by_model)} models alone take {alone.stated:.1f} s, {verdict} "
        f"{'as' if ratio >= 1 else 'than'} the same SQL in one DuckDB process ({peer:.2f} s)"
    )
    raw(
        [
            *(
                {
                    "dbt": what,
                    "wall": round(build.wall, 2),
                    "stated": round(build.stated, 2),
                    "results": {" ".join(kind): number for kind, number in sorted(build.counts.items())},
                }
                for what, build in (("first build", first), ("second build", second), ("run", alone))
            ),
            *({"duckdb": number + 1, "seconds": run["seconds"]} for number, run in enumerate(peers)),
        ]
    )


def filled_lab() -> tuple[Lab, Ask, int]:
    """The running lab, a way to ask its Trino, and the lines of its silver. Raises NotThereError."""
    lab = running_lab()
    connection = connect(lab)

    def ask(statement: str) -> list[list[Any]]:
        return query(connection, statement)

    lines = int(ask(f"select count(*) from {LINES}")[0][0])
    if lines == 0:
        raise NotThereError("silver is empty: ./quintet run lakehouse")
    return lab, ask, lines


def main() -> int:
    return on_lab(filled_lab, lambda found: measure(*found))


if __name__ == "__main__":
    sys.exit(main())
