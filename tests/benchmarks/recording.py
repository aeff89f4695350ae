"""Records of benchmarks: one page each below docs/benchmarks, and the index with the headline of each.

By hand: `python tests/benchmarks/recording.py NAME OUTPUT [SECONDS]` records what a benchmark wrote to the file OUTPUT,
and writes the index anew from all pages. Its exit code is 0 when the benchmark was recorded, 3 when it has skipped
itself, 4 when it ended without a result; a page from before is left as it is in the last two cases. Without arguments
only the index is written.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDED, SKIPPED, WITHOUT_RESULT = 0, 3, 4

_HEADLINE = re.compile(r"^\*\*Headline:\*\* (.+)$", re.MULTILINE)
_SKIPPED = re.compile(r"^skipped: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Machine:
    """What figures depend on; nothing of it names the machine."""

    cpu: str
    cores: int
    memory_gib: float
    system: str

    @property
    def text(self) -> str:
        return f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB memory, {self.system}"


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's file: what it measures, where it runs, and which versions matter."""

    name: str
    environment: str
    packages: tuple[str, ...]
    about: str


@dataclass(frozen=True)
class Page:
    """What the index shows of a page."""

    name: str
    measured: str
    commit: str
    headline: str


def machine(proc: Path = Path("/proc")) -> Machine:
    """This machine, from the files below `proc`."""
    found = re.search(r"^model name\s*: (.+)$", (proc / "cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    total = re.search(r"^MemTotal:\s+(\d+) kB$", (proc / "meminfo").read_text(encoding="utf-8"), re.MULTILINE)
    return Machine(
        cpu=found[1].strip() if found else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=int(total[1]) / 2**20 if total else 0.0,
        system=f"{platform.system()} {platform.release().split('-')[0]}",
    )


def read_benchmark(file: Path) -> Benchmark:
    """Header comments (`# environment: …`, `# versions: …`) and docstring of a benchmark's file."""
    text = file.read_text(encoding="utf-8")
    header = dict(re.findall(r"^# (environment|versions): (.+)$", text, re.MULTILINE))
    about = re.search(r'^"""(.+?)"""$', text, re.MULTILINE | re.DOTALL)
    return Benchmark(
        name=file.stem.removeprefix("bench_"),
        environment=header["environment"],
        packages=tuple(header.get("versions", "").split()),
        about=about[1].strip() if about else "",
    )


def locks_of(root: Path, environment: str) -> list[Path]:
    """Locks of a repository, that of the environment first."""
    folder = root / "envs"
    first = [folder / f"{name}.txt" for name in (environment, "dbt", "airflow", "bench")]
    return first + sorted(set(folder.glob("*.txt")) - set(first))


def poms_of(root: Path) -> list[Path]:
    """Lists of jars of a repository; their properties are versions."""
    return sorted((root / "envs" / "jars").glob("*/pom.xml"))


def versions(packages: Sequence[str], locks: Sequence[Path], pinned: Path, poms: Sequence[Path] = ()) -> dict[str, str]:
    """Versions by Ansible's file of pinned programs, else by the locks, the first that has a package, else by the poms.

    Raises:
        LookupError: nothing pins a package that a benchmark names.

    """
    known: dict[str, str] = {}
    for pom in poms:
        properties = re.search(r"<properties>(.*?)</properties>", pom.read_text(encoding="utf-8"), re.DOTALL)
        known |= dict(re.findall(r"<([\w.-]+)>([^<]+)</", properties[1])) if properties else {}
    for lock in reversed(locks):
        known |= dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    # The server, not its client of the same name.
    known |= dict(re.findall(r'^  (\w+): "?([^"\s]+)"?$', pinned.read_text(encoding="utf-8"), re.MULTILINE))
    missing = [name for name in packages if name not in known]
    if missing:
        raise LookupError(f"no lock and no pinned version names {', '.join(missing)}")
    return {name: known[name] for name in packages}


def headline(output: str) -> str | None:
    """The sentence that a benchmark gives for the index; None: it ended before it knew."""
    found = _HEADLINE.search(output)
    return found[1] if found else None


def skipped(output: str) -> str | None:
    """Why a benchmark did not measure; None: it did, or failed."""
    found = _SKIPPED.search(output)
    return found[1] if found else None


def page(
    benchmark: Benchmark,
    output: str,
    *,
    on: Machine,
    known: dict[str, str],
    commit: str,
    day: date,
    seconds: int | None = None,
) -> str:
    """Text of a benchmark's page."""
    took = f", {seconds} s in all" if seconds is not None else ""
    pinned = ", ".join(f"{name} {version}" for name, version in known.items())
    facts = [
        f"- measured: {day.isoformat()}, commit {commit}{took}",
        f"- machine: {on.text}",
        f"- versions: Python {platform.python_version()}{', ' + pinned if pinned else ''}",
        f"- again: `scripts/benchmark {benchmark.name}`",
    ]
    return f"# Benchmark: {benchmark.name}\n\n{benchmark.about}\n\n" + "\n".join(facts) + f"\n\n{output.strip()}\n"


def read_page(text: str) -> Page | None:
    """What the index needs of a page; None: it is no page of a benchmark."""
    name = re.match(r"# Benchmark: (\w+)\n", text)
    measured = re.search(r"^- measured: ([\d-]+), commit (\S+?)(?:,.*)?$", text, re.MULTILINE)
    found = headline(text)
    if not (name and measured and found):
        return None
    return Page(name[1], measured[1], measured[2], found)


def index(pages: Sequence[Page], names: Sequence[str]) -> str:
    """Text of the index: every benchmark there is, those without a page as not measured."""
    by_name = {entry.name: entry for entry in pages}
    rows = []
    for name in names:
        entry = by_name.get(name)
        if entry:
            rows.append(f"| [{name}]({name}.md) | {entry.headline} | {entry.measured}, {entry.commit} |")
        else:
            rows.append(f"| {name} | not measured yet: `scripts/benchmark {name}` | |")
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make benchmark`; do not edit. A missed bar and a lost comparison stand here like the others.",
            "Each page has the machine, the versions, what exactly was measured and every single figure.",
            "",
            "| benchmark | headline | measured, commit |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def write_index(root: Path) -> Path:
    """Write the index of the pages and benchmarks of a repository."""
    folder = root / "docs" / "benchmarks"
    found = [read_page(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.md"))]
    names = sorted(path.stem.removeprefix("bench_") for path in (root / "tests" / "benchmarks").glob("bench_*.py"))
    place = folder / "README.md"
    place.write_text(index([entry for entry in found if entry], names), encoding="utf-8")
    return place


def record(name: str, output: str, seconds: int | None = None, *, root: Path = ROOT) -> int:
    """Write the page of a benchmark that measured something, and the index; the exit code."""
    folder = root / "docs" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    benchmarks = root / "tests" / "benchmarks"
    outcome = RECORDED
    if headline(output):
        benchmark = read_benchmark(benchmarks / f"bench_{name}.py")
        pinned = root / "ansible" / "group_vars" / "all" / "versions.yml"
        known = versions(benchmark.packages, locks_of(root, benchmark.environment), pinned, poms_of(root))
        text = page(
            benchmark,
            output,
            on=machine(),
            known=known,
            commit=commit(root),
            day=datetime.now(UTC).date(),
            seconds=seconds,
        )
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    else:
        outcome = SKIPPED if skipped(output) else WITHOUT_RESULT
    write_index(root)
    return outcome


def commit(root: Path) -> str:
    """Short hash of the commit; with a plus sign when tracked files differ from it, pages of benchmarks apart."""
    short = ["git", "-C", str(root), "rev-parse", "--short", "HEAD"]
    changed = ["git", "-C", str(root), "status", "--porcelain", "-uno", "--", ".", ":!docs/benchmarks"]
    found = [subprocess.run(command, capture_output=True, text=True, check=False) for command in (short, changed)]
    return (found[0].stdout.strip() or "unknown") + ("+" if found[1].stdout.strip() else "")


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        write_index(ROOT)
        return RECORDED
    name, output, *seconds = arguments
    return record(name, Path(output).read_text(encoding="utf-8"), int(seconds[0]) if seconds else None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
