"""One run of a job's own SQL on Flink in a process of its own: files instead of topics, printed rows instead of tables.

Only doors are replaced. A topic that is read is a folder of JSON lines in which new files are looked for, so that the
job goes on after the last event; what goes to Kafka and PostgreSQL is printed row by row; the lake's catalog is a
folder.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kafka_server import jars_of
from labs import lab_below
from paths import ROOT
from quintet.flink.definition import JobDefinition, read_job

__all__ = ["SqlRun", "sql_run"]

ROLE = ROOT / "ansible" / "roles" / "flink"
#: First and last Java that Flink and the file system of Hadoop run on.
JAVA = (17, 23)
FUNCTIONS = ("PiecesOf.java", "UserFigures.java")
#: Planning alone takes half a minute of an idle core.
WITHIN_SECONDS = 300.0
_OPENED = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("lang", "util", "nio", "net", "time", "text")]
_HEAP = ["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
_TABLE = re.compile(r"CREATE TEMPORARY TABLE (\w+) \(")
_SETTINGS = {
    "parallelism.default": "1",
    "taskmanager.numberOfTaskSlots": "1",
    "taskmanager.memory.managed.size": "128m",
    "execution.checkpointing.interval": "3s",
    "execution.checkpointing.incremental": "true",
    # The first fault ends the run and is shown.
    "restart-strategy.type": "disable",
    # After every event, not five times a second: what is late for an operator is so on any machine.
    "pipeline.auto-watermark-interval": "1ms",
}


class SqlRun:
    """A job that runs; `folder` holds its input, what it printed and its lake."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self._process = process
        self._files = 0

    def give(self, topic: str, lines: Sequence[str]) -> None:
        """Add records to a topic, all at once."""
        self._files += 1
        hidden = self.folder / "in" / topic / f".{self._files:04d}"
        hidden.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        hidden.rename(hidden.with_name(hidden.name[1:]))

    def printed(self, table: str) -> list[list[str]]:
        """Rows that went to a table so far, the later ones behind; one that was taken back is not among them."""
        found = []
        for line in (self.folder / "out").read_text(encoding="utf-8").splitlines():
            name, _, row = line.partition("> ")
            if name == table and row.startswith(("+I[", "+U[")):
                found.append(_fields(row[3:-1]))
        return found

    def stored(self, table: str) -> list[dict[str, object]]:
        """Rows in a table of the lake, in no order."""
        files = sorted((self.folder / "lake" / "silver_ecommerce" / table / "data").rglob("*.parquet"))
        return list(pa.concat_tables([pq.read_table(file) for file in files]).to_pylist()) if files else []

    def wait_until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Fail with the ends of what the job said when it is not so in time, or when the job ends."""
        end = time.monotonic() + WITHIN_SECONDS
        while not is_so():
            if self._process.poll() is not None or time.monotonic() > end:
                said = "\n".join((self.folder / name).read_text(encoding="utf-8")[-6000:] for name in ("out", "errors"))
                pytest.fail(f"no {what} in time, or the job ended ({self._process.poll()}):\n{said}")
            time.sleep(0.3)

    def stop(self) -> None:
        """Let what is on its way arrive, and end."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        assert self._process.wait(120) == 0, (self.folder / "errors").read_text(encoding="utf-8")[-6000:]


@contextmanager
def sql_run(folder: Path, job: Path) -> Iterator[SqlRun]:
    """Start a job by its folder; it is ended with the block. Skips the test where Flink is not on this machine."""
    java, jars, environment = _java(), jars_of("flink", "ecj-*.jar"), ROOT / ".venv-flink"
    if not list(environment.glob("lib/python3*/site-packages/pyflink/lib/flink-dist-*.jar")):
        pytest.skip("Flink is not on this machine: scripts/env flink gets it")
    own = [folder / "functions.jar", folder / "run.jar"]
    sources = [[ROLE / "files" / name for name in FUNCTIONS], [Path(__file__).with_name("RunSql.java")]]
    for jar, files in zip(own, sources, strict=True):
        line = ["bash", ROLE / "files" / "parts.sh", java, jars, environment, jar, *files]
        subprocess.run(line, check=True, capture_output=True)
    definition = read_job(job)
    (folder / "sql").write_text("\0".join(_statements(folder, definition)), encoding="utf-8")
    (folder / "settings").write_text("\n".join(_settings(folder)), encoding="utf-8")
    (folder / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
    (libraries,) = environment.glob("lib/python3*/site-packages/pyflink/lib")
    path = ":".join(map(str, [*own, f"{jars}/*", f"{libraries}/*"]))
    line = [java, *_HEAP, *_OPENED, f"-Dlog4j.configurationFile={folder}/log4j2.properties", "-cp", path]
    line += ["io.quintet.flink.RunSql", folder / "settings", folder / "sql", f"file://{folder}/savepoint"]
    with (
        (folder / "out").open("wb") as out,
        (folder / "errors").open("wb") as errors,
        subprocess.Popen(line, stdin=subprocess.PIPE, stdout=out, stderr=errors) as process,
    ):
        try:
            yield SqlRun(folder, process)
        finally:
            process.kill()


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        pytest.skip("Java is not on this machine")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    if found is None or not JAVA[0] <= int(found[1]) <= JAVA[1]:
        pytest.skip(f"Flink and Hadoop's file system want Java {JAVA[0]} to {JAVA[1]}; here is {told.splitlines()[:1]}")
    return java


def _settings(folder: Path) -> Iterator[str]:
    """How the lab keeps state, as its configuration says."""
    template = (ROLE / "templates" / "config.yaml.j2").read_text(encoding="utf-8")
    yield from re.findall(r"^(?:state\.backend\.[\w.-]+): [^{}\n]+$", template, re.MULTILINE)
    yield "state.backend.rocksdb.memory.fixed-per-tm: 256mb"
    yield f"execution.checkpointing.dir: file://{folder}/checkpoints"
    yield from (f"{name}: {value}" for name, value in _SETTINGS.items())


def _statements(folder: Path, job: JobDefinition) -> Iterator[str]:
    """The job's own statements with other doors."""
    doors = dict.fromkeys(("postgres", "kafka", "registry"), 1)
    kafka = {"security_protocol": "PLAINTEXT", "mechanism": "PLAIN"}
    lab = lab_below(folder / "lab", more_doors=doors, options={"kafka": kafka})
    for name, value in job.options.items():
        yield f"SET '{name}' = '{value}'"
    for statement in job.rendered(lab):
        if statement.startswith("CREATE CATALOG lake "):
            place = _at(folder / "lake", "warehouse")
            yield f"CREATE CATALOG lake WITH ('type' = 'iceberg', 'catalog-type' = 'hadoop', {place})"
        elif found := _TABLE.match(statement):
            if "nothing AS 0" not in statement:
                yield _with_other_door(folder, statement, found[1])
        else:
            yield statement


def _with_other_door(folder: Path, statement: str, name: str) -> str:
    body = statement[: statement.rindex("WITH (")]
    if "WATERMARK FOR" in body:
        place = folder / "in" / name
        place.mkdir(parents=True)
        body = body.replace("METADATA FROM 'timestamp' VIRTUAL", "")
        door = (
            f"'connector' = 'filesystem', {_at(place, 'path')}, 'source.monitor-interval' = '300ms', 'format' = 'json'"
        )
        return f"{body} WITH ({door}, 'json.timestamp-format.standard' = 'ISO-8601')"
    body = body.replace("METADATA FROM 'timestamp'", "")
    return f"{body} WITH ('connector' = 'print', 'print-identifier' = '{name}')"


def _at(folder: Path, option: str) -> str:
    return f"'{option}' = 'file://{folder}'"


def _fields(row: str) -> list[str]:
    """Fields of a printed row; arrays and rows in it stay text."""
    found, depth = [""], 0
    for sign in row:
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and not depth:
            found.append("")
        else:
            found[-1] += sign
    return [text.strip() for text in found]


_LOGGING = """
rootLogger.level = WARN
rootLogger.appenderRef.errors.ref = errors
appender.errors.type = Console
appender.errors.name = errors
appender.errors.target = SYSTEM_ERR
appender.errors.layout.type = PatternLayout
appender.errors.layout.pattern = %d %p %c - %m%n
"""
