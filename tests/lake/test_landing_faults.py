"""Killed, refused or without room at any point: nothing is half landed, and the next landing brings the rest once."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bronze import HEADER, in_another_process, ledger, line, rows, text, with_tables, write_day
from quintet.lake.errors import FileRefusedError, LandingError
from quintet.lake.landing import Landing, land
from quintet.lake.rawfile import read_raw
from quintet.lakehouse.feeds import INVOICE_LINES
from quintet.settings import Lab


@pytest.fixture
def lake(lab: Lab) -> Lab:
    return with_tables(lab)


def brought(lab: Lab, *files: Path, batch: str = "b2") -> Landing:
    return land(lab, INVOICE_LINES, files, batch_id=batch)


LANDING = """
import os, signal, sys
from pathlib import Path
from quintet.lake import landing
from quintet.lakehouse.feeds import INVOICE_LINES
from quintet.settings import read_lab

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def land():
    lab, files = read_lab(Path(sys.argv[1])), sorted(Path(sys.argv[2]).iterdir())
    return landing.land(lab, INVOICE_LINES, files, batch_id="b1")

write = landing.write_deltalake
"""

KILLED = {
    "while lines are written": """
import itertools
def write_some(table, stream, **options):
    import pyarrow as pa
    def some():
        yield from itertools.islice(stream, 1)
        die()
    write(table, pa.RecordBatchReader.from_batches(stream.schema, some()), **options)

landing.write_deltalake = write_some
land()
""",
    "between the lines and the ledger": "landing.ledger.record = die\nland()",
    "after the ledger": "land()\ndie()",
}


@pytest.mark.parametrize("moment", KILLED)
def test_a_landing_killed_at_any_moment_is_completed_by_the_next(lake: Lab, tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "in"
    files = [write_day(folder, f"2010-12-0{day}.csv", [line(day), line(day + 10)]) for day in (1, 2, 3)]
    in_another_process(LANDING + KILLED[moment], lake.file, folder, expect=-signal.SIGKILL)
    committed = moment != "while lines are written"
    assert len(rows(lake)) == (6 if committed else 0)
    assert len(ledger(lake)) == (3 if moment == "after the ledger" else 0)

    result = brought(lake, *files)
    assert len(result.landed) == (0 if committed else 3)
    assert result.healed == (3 if moment == "between the lines and the ledger" else 0)
    assert len(rows(lake)) == 6
    assert {row["_batch_id"] for row in rows(lake)} == ({"b1"} if committed else {"b2"})
    entries = ledger(lake)
    assert [(row["_source_file"], row["status"], row["records"]) for row in entries] == [
        (path.name, "landed", 2) for path in files
    ]
    assert {row["_batch_id"] for row in entries} == ({"b1"} if committed else {"b2"})
    assert brought(lake, *files, batch="b3") == Landing(known=tuple(path.name for path in files))


def test_a_killed_landing_heals_although_its_files_are_gone(lake: Lab, tmp_path: Path) -> None:
    path = write_day(tmp_path / "in", "2010-12-01.csv", [line()])
    in_another_process(
        LANDING + KILLED["between the lines and the ledger"], lake.file, path.parent, expect=-signal.SIGKILL
    )
    path.unlink()
    assert brought(lake, write_day(tmp_path, "2010-12-02.csv", [line(2)])).healed == 1
    assert [row["_batch_id"] for row in ledger(lake)] == ["b1", "b2"]


def test_landings_that_heal_at_the_same_time_write_one_row(lake: Lab, tmp_path: Path) -> None:
    path = write_day(tmp_path / "in", "2010-12-01.csv", [line()])
    in_another_process(
        LANDING + KILLED["between the lines and the ledger"], lake.file, path.parent, expect=-signal.SIGKILL
    )
    waiting = [subprocess.Popen(heal_command(lake)) for _ in range(2)]
    assert [process.wait(60) for process in waiting] == [0, 0]
    assert len(ledger(lake)) == 1


def heal_command(lab: Lab) -> list[str]:
    program = (
        "import sys\n"
        f"sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from quintet.lake.landing import land\n"
        "from quintet.lakehouse.feeds import INVOICE_LINES\n"
        "from quintet.settings import read_lab\n"
        f"land(read_lab(Path({str(lab.file)!r})), INVOICE_LINES, [], batch_id='b2')\n"
    )
    return [sys.executable, "-c", program]


@contextmanager
def as_another_user() -> Iterator[None]:
    """Root may read everything: give that up for a moment."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = write_day(tmp_path, "2010-12-01.csv", [line()])
    path.chmod(0)
    with as_another_user(), pytest.raises(FileRefusedError) as caught:
        read_raw(path)
    assert str(caught.value) == (
        f"2010-12-01.csv: it cannot be read (Permission denied). Give the lab's user a readable file: ls -l {path}"
    )
    path.chmod(stat.S_IRUSR)


def unreadable_folder(place: Path) -> None:
    place.mkdir()


def unreadable_link(place: Path) -> None:
    place.symlink_to(place.with_name("gone"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (unreadable_folder, "2010-12-02.csv: it cannot be read (Is a directory)"),
        (unreadable_link, "2010-12-02.csv: it cannot be read (No such file or directory)"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_others_land(
    lake: Lab, tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    good = write_day(tmp_path, "2010-12-01.csv", [line()])
    bad = tmp_path / "2010-12-02.csv"
    make(bad)
    result = brought(lake, bad, good)
    assert [entry.source_file for entry in result.landed] == ["2010-12-01.csv"]
    assert [str(entry.reason).startswith(reason) for entry in result.refused] == [True]


FAULTS = {
    "missing column": b"InvoiceNo,StockCode\n1,2\n",
    "extra column": f"{HEADER},Note\n{line()},x\n".encode(),
    "empty": b"",
    "cut off": text([line(1), line(2)]).encode()[:-30],
    "wrong encoding": text([line(1)]).encode("utf-16"),
    "huge field": text([line(1, description="x" * 1_048_577)]).encode(),
    "damaged gzip": b"\x1f\x8b\x08\x00damaged",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_at_fault_lands_not_even_in_part_and_lands_whole_once_repaired(
    lake: Lab, tmp_path: Path, fault: str
) -> None:
    good = write_day(tmp_path, "2010-12-01.csv", [line()])
    bad = tmp_path / "2010-12-02.csv"
    bad.write_bytes(FAULTS[fault])
    result = brought(lake, good, bad, batch="b1")
    assert [entry.source_file for entry in result.refused] == ["2010-12-02.csv"]
    assert {row["_source_file"] for row in rows(lake)} == {"2010-12-01.csv"}
    brought(lake, good, write_day(tmp_path, "2010-12-02.csv", [line(2), line(3)]))
    assert [row["_source_file"] for row in rows(lake)] == ["2010-12-01.csv", "2010-12-02.csv", "2010-12-02.csv"]


def test_columns_in_another_order_land_the_same(lake: Lab, tmp_path: Path) -> None:
    names, values = HEADER.split(","), line().split(",")
    path = tmp_path / "2010-12-01.csv"
    path.write_text(f"{','.join(reversed(names))}\n{','.join(reversed(values))}\n", encoding="utf-8")
    brought(lake, path)
    (row,) = rows(lake)
    assert [row[name] for name in INVOICE_LINES.columns.values()] == values


def wide_day(folder: Path) -> Path:
    """A file whose lines do not compress: its table needs two megabytes."""
    return write_day(folder, "2010-12-01.csv", [line(n, description=os.urandom(40).hex()) for n in range(60_000)])


def assert_full_then_room(lab: Lab, path: Path, error: str, first: Path) -> None:
    assert "the table delta.bronze_lakehouse.invoice_lines cannot be written" in error
    assert "nothing of these files has landed" in error
    assert [row["_source_file"] for row in rows(lab)] == [first.name]
    assert len(brought(lab, path).landed) == 1
    assert len(rows(lab)) == 60_001


def test_a_full_disk_lands_nothing_and_says_so(lab: Lab, tmp_path: Path) -> None:
    place = lab.path("lake")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        with_tables(lab)
        first = write_day(tmp_path, "2010-11-30.csv", [line()])
        brought(lab, first, batch="b1")
        path = wide_day(tmp_path)
        with pytest.raises(LandingError) as caught:
            brought(lab, path)
        assert "No space left on device" in str(caught.value)
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        assert_full_then_room(lab, path, str(caught.value), first)
    finally:
        subprocess.run(["umount", place], check=True)


QUOTA = """
import resource, sys
from pathlib import Path
from quintet.lake.errors import FileRefusedError, LandingError
from quintet.lake.landing import land
from quintet.lakehouse.feeds import INVOICE_LINES
from quintet.settings import read_lab
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    land(read_lab(Path(sys.argv[1])), INVOICE_LINES, [Path(sys.argv[2])], batch_id="b1")
except LandingError as error:
    print(error)
"""


def test_a_quota_lands_nothing_and_says_so(lake: Lab, tmp_path: Path) -> None:
    first = write_day(tmp_path, "2010-11-30.csv", [line()])
    brought(lake, first, batch="b0")
    path = wide_day(tmp_path)
    output = in_another_process(QUOTA, lake.file, path)
    assert "File too large" in output
    assert_full_then_room(lake, path, output, first)


def test_a_ledger_that_cannot_be_written_is_completed_by_the_next_landing(
    lake: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_day(tmp_path, "2010-12-01.csv", [line()])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("quintet.lake.ledger.record", full)
        with pytest.raises(LandingError, match=r"bronze_lakehouse\.files cannot be written: .*No space .*next landing"):
            brought(lake, path)
    assert brought(lake, path) == Landing(known=(path.name,), healed=1)
    assert len(rows(lake)) == len(ledger(lake)) == 1


def test_a_lake_without_tables_says_so(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(LandingError, match=r"delta\.bronze_lakehouse\.files cannot be written: .*[Nn]o (such|table)"):
        brought(lab, write_day(tmp_path, "2010-12-01.csv", [line()]))
