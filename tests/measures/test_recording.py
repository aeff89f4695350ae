"""Recording of benchmarks: what a page says, what the index takes from it, and what is left alone."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest
import recording
from recording import RECORDED, SKIPPED, WITHOUT_RESULT, Benchmark, Machine, Page

from paths import ROOT

MACHINE = Machine(cpu="A Processor", cores=2, memory_gib=23.4, system="Linux 6.1.0")
OUTPUT = "| a | b |\n|---|---|\n\n**Headline:** twice as fast (bar: 3x: MISSED).\n\n```json\n{}\n```\n"


def page(output: str = OUTPUT, name: str = "speed") -> str:
    benchmark = Benchmark(name=name, environment="spark", packages=("duckdb",), about="How fast it is.")
    return recording.page(
        benchmark,
        output,
        on=MACHINE,
        known={"duckdb": "2.0.0"},
        commit="abc1234",
        day=date(2026, 11, 21),
        seconds=61,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two benchmarks and no record of them."""
    benchmarks = tmp_path / "tests" / "benchmarks"
    benchmarks.mkdir(parents=True)
    for name in ("speed", "width"):
        text = f'# environment: spark\n# versions: duckdb\n"""How {name} behaves."""\n'
        (benchmarks / f"bench_{name}.py").write_text(text, encoding="utf-8")
    (tmp_path / "envs").mkdir()
    for name in ("spark", "dbt", "airflow", "bench"):
        (tmp_path / "envs" / f"{name}.txt").write_text("duckdb==2.0.0 \\\n    --hash=sha256:0\n", encoding="utf-8")
    pinned = tmp_path / "ansible" / "group_vars" / "all" / "versions.yml"
    pinned.parent.mkdir(parents=True)
    pinned.write_text('---\nversions:\n  trino: "476"\n', encoding="utf-8")
    return tmp_path


def index_of(root: Path) -> str:
    return (root / "docs" / "benchmarks" / "README.md").read_text(encoding="utf-8")


def test_the_machine_is_told_by_processor_cores_and_memory(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor\n\n", encoding="utf-8")
    (tmp_path / "meminfo").write_text("MemTotal:       24117248 kB\nMemFree:  1 kB\n", encoding="utf-8")
    found = recording.machine(tmp_path)
    assert (found.cpu, found.memory_gib) == ("A Processor", 23.0)
    assert found.cores >= 1


def test_a_machine_without_a_named_processor_is_told_by_its_architecture(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n", encoding="utf-8")
    (tmp_path / "meminfo").write_text("MemTotal:       1048576 kB\n", encoding="utf-8")
    assert recording.machine(tmp_path).cpu == recording.platform.machine()


def test_a_page_states_date_commit_machine_versions_and_the_whole_output() -> None:
    text = page()
    assert text.startswith("# Benchmark: speed\n\nHow fast it is.\n\n")
    assert "- measured: 2026-11-21, commit abc1234, 61 s in all\n" in text
    assert "- machine: A Processor, 2 cores, 23 GiB memory, Linux 6.1.0\n" in text
    assert "duckdb 2.0.0\n" in text
    assert text.endswith(OUTPUT)


def test_the_index_reads_back_what_a_page_was_written_with() -> None:
    found = recording.read_page(page())
    assert found == Page("speed", "2026-11-21", "abc1234", "twice as fast (bar: 3x: MISSED).")


def test_other_files_are_no_pages_of_benchmarks() -> None:
    assert recording.read_page("# Benchmarks\n\n| a | b |\n") is None
    assert recording.read_page(page("nothing was found\n")) is None


def test_the_index_has_a_row_for_each_benchmark_measured_or_not() -> None:
    lines = recording.index([Page("speed", "2026-11-21", "abc1234", "fast.")], ["speed", "width"]).splitlines()
    assert "| [speed](speed.md) | fast. | 2026-11-21, abc1234 |" in lines
    assert "| width | not measured yet: `scripts/benchmark width` | |" in lines


def test_a_page_of_a_benchmark_that_is_gone_is_not_listed() -> None:
    assert "gone" not in recording.index([Page("gone", "2026-11-21", "abc1234", "fast.")], ["speed"])


def test_a_missed_bar_is_recorded_like_any_other_result(root: Path) -> None:
    assert recording.record("speed", OUTPUT, root=root) == RECORDED
    text = (root / "docs" / "benchmarks" / "speed.md").read_text(encoding="utf-8")
    assert "MISSED" in text
    assert "How speed behaves." in text
    assert "MISSED" in index_of(root)


@pytest.mark.parametrize(
    ("output", "outcome"), [("skipped: no lab runs here\n", SKIPPED), ("| half a table |\n", WITHOUT_RESULT)]
)
def test_without_a_result_the_page_from_before_stays(root: Path, output: str, outcome: int) -> None:
    recording.record("speed", OUTPUT, root=root)
    before = (root / "docs" / "benchmarks" / "speed.md").read_bytes()
    assert recording.record("speed", output, root=root) == outcome
    assert (root / "docs" / "benchmarks" / "speed.md").read_bytes() == before
    assert "[speed](speed.md)" in index_of(root)


def test_a_benchmark_that_never_measured_has_no_page(root: Path) -> None:
    assert recording.record("width", "skipped: no lab runs here\n", root=root) == SKIPPED
    assert not (root / "docs" / "benchmarks" / "width.md").exists()
    assert "not measured yet: `scripts/benchmark width`" in index_of(root)


def test_the_commit_has_a_plus_sign_when_files_differ_from_it(root: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    recording.record("speed", OUTPUT, root=root)
    assert not recording.commit(root).endswith("+")
    (root / "envs" / "dbt.txt").write_text("", encoding="utf-8")
    assert recording.commit(root).endswith("+")


def test_a_server_is_named_by_its_own_version_and_not_by_that_of_its_client(tmp_path: Path) -> None:
    lock, other, pinned, pom = (tmp_path / name for name in ("a.txt", "b.txt", "versions.yml", "pom.xml"))
    lock.write_text("trino==0.340.0 \\\ndeltalake==1.6.6 ; python_version < '4' \\\n", encoding="utf-8")
    other.write_text("deltalake==1.0.0 \\\n", encoding="utf-8")
    pinned.write_text('versions:\n  trino: "476"\n  debezium: 3.6.2.Final\n', encoding="utf-8")
    pom.write_text("<project><properties>\n<kafka>4.3.1</kafka></properties></project>", encoding="utf-8")
    found = recording.versions(["trino", "deltalake", "kafka", "debezium"], [lock, other], pinned, [pom])
    assert found == {"trino": "476", "deltalake": "1.6.6", "kafka": "4.3.1", "debezium": "3.6.2.Final"}
    with pytest.raises(LookupError, match="absent"):
        recording.versions(["absent"], [lock], pinned)


@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "benchmarks").glob("bench_*.py")), ids=lambda path: path.stem)
def test_every_benchmark_says_where_it_runs_what_it_measures_and_which_versions_matter(file: Path) -> None:
    benchmark = recording.read_benchmark(file)
    assert (ROOT / "envs" / f"{benchmark.environment}.txt").exists()
    assert benchmark.about
    locks = recording.locks_of(ROOT, benchmark.environment)
    pinned = ROOT / "ansible" / "group_vars" / "all" / "versions.yml"
    assert recording.versions(benchmark.packages, locks, pinned, recording.poms_of(ROOT))


def test_the_index_in_the_repository_is_what_its_pages_say() -> None:
    folder = ROOT / "docs" / "benchmarks"
    pages = [recording.read_page(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.md"))]
    names = sorted(path.stem.removeprefix("bench_") for path in (ROOT / "tests" / "benchmarks").glob("bench_*.py"))
    index = recording.index([entry for entry in pages if entry], names)
    assert (folder / "README.md").read_text(encoding="utf-8") == index, "run: python tests/benchmarks/recording.py"
