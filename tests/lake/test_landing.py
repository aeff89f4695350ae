"""Each content lands exactly once, with its provenance, whatever is repeated, renamed, changed or concurrent."""

from __future__ import annotations

import gzip
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from bronze import HEADER, in_another_process, ledger, line, rows, text, with_tables, write_day
from paths import retail_days
from quintet.catalogue.lakehouse import INVOICE_LINES_RAW
from quintet.lake import landing as module
from quintet.lake.landing import Landing, file_date, land
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lakehouse.feeds import CUSTOMER_CHANGES, INVOICE_LINES
from quintet.settings import Lab

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)


def brought(lab: Lab, *files: Path, batch: str = "b1") -> Landing:
    return land(lab, INVOICE_LINES, files, batch_id=batch, now=NOW)


@pytest.fixture
def lake(lab: Lab) -> Lab:
    return with_tables(lab)


def test_a_record_lands_as_received_with_its_provenance(lake: Lab, tmp_path: Path) -> None:
    path = write_day(tmp_path / "in", "2010-12-01.csv", ['536366,71053,"A ""B"",\nC", 6 ,bad date,,,United Kingdom'])
    brought(lake, path)
    assert rows(lake) == [
        {
            "invoice_no": "536366",
            "stock_code": "71053",
            "description": 'A "B",\nC',
            "quantity": " 6 ",
            "invoice_date": "bad date",
            "unit_price": None,
            "customer_id": None,
            "country": "United Kingdom",
            "_source_file": "2010-12-01.csv",
            "_file_version": 1,
            "_line_number": 2,
            "_file_hash": hashlib.sha256(path.read_bytes()).hexdigest(),
            "_file_date": date(2010, 12, 1),
            "_ingested_at": NOW,
            "_batch_id": "b1",
        }
    ]


def test_the_ledger_says_what_became_of_each_file(lake: Lab, tmp_path: Path) -> None:
    good = write_day(tmp_path / "in", "2010-12-01.csv", [line(1), line(2)])
    bad = write_day(tmp_path / "in", "2010-12-02.csv", ["1,2,3"])
    brought(lake, good, bad)
    landed, refused = ledger(lake)
    assert landed == {
        "feed": "invoice_lines",
        "_source_file": "2010-12-01.csv",
        "_file_version": 1,
        "_file_hash": hashlib.sha256(good.read_bytes()).hexdigest(),
        "_file_date": date(2010, 12, 1),
        "_ingested_at": NOW,
        "_batch_id": "b1",
        "status": "landed",
        "duplicate_of": None,
        "reason": None,
        "records": 2,
        "bytes": good.stat().st_size,
        "encoding": "utf-8",
    }
    assert (refused["_source_file"], refused["status"], refused["_file_version"]) == ("2010-12-02.csv", "refused", 0)
    assert refused["reason"].startswith("2010-12-02.csv, line 2: the last record is cut off: it has 3 fields")


def test_the_same_file_again_lands_nothing(lake: Lab, tmp_path: Path) -> None:
    path = write_day(tmp_path, "2010-12-01.csv", [line()])
    brought(lake, path)
    again = brought(lake, path, batch="b2")
    assert again.known == ("2010-12-01.csv",)
    assert len(rows(lake)) == len(ledger(lake)) == 1


@pytest.mark.parametrize("name", ["2010-12-02.csv", "copy of 2010-12-01.csv", "2010-12-01.csv.gz"])
@pytest.mark.parametrize("together", [True, False], ids=["same batch", "later batch"])
def test_known_content_under_another_name_is_a_duplicate(lake: Lab, tmp_path: Path, name: str, together: bool) -> None:
    path = write_day(tmp_path, "2010-12-01.csv", [line()])
    other = tmp_path / name
    other.write_bytes(gzip.compress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes())
    if not together:
        brought(lake, path)
    result = brought(lake, path, other, batch="b2")
    assert [(entry.source_file, entry.duplicate_of) for entry in result.duplicates] == [(name, "2010-12-01.csv")]
    brought(lake, other, batch="b3")
    assert len(rows(lake)) == 1
    assert sorted(row["status"] for row in ledger(lake)) == ["duplicate", "landed"]


def test_changed_content_under_the_same_name_is_the_next_version(lake: Lab, tmp_path: Path) -> None:
    for version in (1, 2, 3):
        brought(lake, write_day(tmp_path, "2010-12-01.csv", [line(version)]), batch=f"b{version}")
    assert [(row["_file_version"], row["invoice_no"]) for row in rows(lake)] == [
        (1, "536366"),
        (2, "536367"),
        (3, "536368"),
    ]


def test_a_header_alone_lands_without_records(lake: Lab, tmp_path: Path) -> None:
    result = brought(lake, write_day(tmp_path, "2010-12-04.csv", []))
    assert [(entry.status, entry.records) for entry in result.landed] == [("landed", 0)]
    assert rows(lake) == []
    assert brought(lake, tmp_path / "2010-12-04.csv").known == ("2010-12-04.csv",)


def test_the_same_content_in_two_feeds_is_not_a_duplicate(lake: Lab, tmp_path: Path) -> None:
    header = ",".join(CUSTOMER_CHANGES.columns)
    path = tmp_path / "2025-01-01.csv"
    path.write_text(f"{header}\n1,A,a@example.org,Leeds,UK,trade,upsert,2025-01-01 00:00:00\n", encoding="utf-8")
    assert brought(lake, path).refused
    landed = land(lake, CUSTOMER_CHANGES, [path], batch_id="b1", now=NOW).landed
    assert [entry.records for entry in landed] == [1]


def test_a_batch_is_one_commit_with_one_transaction_for_each_file(lake: Lab, tmp_path: Path) -> None:
    files = [write_day(tmp_path, f"2010-12-0{day}.csv", [line(day)]) for day in (1, 2, 3)]
    brought(lake, *files)
    table = DeltaTable(delta_path(lake, INVOICE_LINES_RAW))
    assert table.version() == 1
    for path in files:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert table.transaction_version(f"invoice_lines:{digest}") == 1


def test_once_holds_after_checkpoint_and_lost_history_even_without_the_ledger(lake: Lab, tmp_path: Path) -> None:
    path = write_day(tmp_path, "2010-12-01.csv", [line()])
    brought(lake, path)
    table = DeltaTable(delta_path(lake, INVOICE_LINES_RAW))
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    table = DeltaTable(delta_path(lake, INVOICE_LINES_RAW))
    table.create_checkpoint()
    table.cleanup_metadata()
    DeltaTable(delta_path(lake, INVOICE_LINES.ledger)).delete()
    assert brought(lake, path, batch="b2").known == ("2010-12-01.csv",)
    changed = brought(lake, write_day(tmp_path, "2010-12-01.csv", [line(2)]), batch="b3").landed
    assert [entry.file_version for entry in changed] == [2]
    assert len(rows(lake)) == 2


def test_a_refused_file_keeps_one_row_that_shows_the_latest_batch_and_lands_once_repaired(
    lake: Lab, tmp_path: Path
) -> None:
    bad = write_day(tmp_path, "2010-12-01.csv", ["1,2,3"])
    brought(lake, bad, batch="b1")
    brought(lake, bad, batch="b2")
    (row,) = ledger(lake)
    assert (row["status"], row["_batch_id"]) == ("refused", "b2")
    repaired = brought(lake, write_day(tmp_path, "2010-12-01.csv", [line()]), batch="b3")
    assert [(entry.file_version, entry.records) for entry in repaired.landed] == [(1, 1)]
    assert len(ledger(lake)) == 2


def test_many_groups_land_as_many_commits(lake: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [write_day(tmp_path, f"2010-12-0{day}.csv", [line(day)]) for day in range(1, 6)]
    monkeypatch.setattr(module, "GROUP_BYTES", 2 * files[0].stat().st_size)
    assert len(brought(lake, *files).landed) == 5
    assert DeltaTable(delta_path(lake, INVOICE_LINES_RAW)).version() == 3
    assert len(rows(lake)) == 5


def test_landings_at_the_same_time_bring_each_file_once(lake: Lab, tmp_path: Path) -> None:
    files = [write_day(tmp_path, f"2010-12-{day:02d}.csv", [line(day), line(day + 100)]) for day in range(1, 9)]
    start = threading.Barrier(4)

    def one(number: int) -> Landing:
        start.wait()
        return brought(lake, *files[number:], *files[:number], batch=f"b{number}")

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(one, range(4)))
    assert len(rows(lake)) == 16
    assert sum(len(result.landed) for result in results) == 8
    assert sum(len(result.known) for result in results) == 24
    assert sorted(row["_source_file"] for row in ledger(lake)) == [path.name for path in files]


def overtake(monkeypatch: pytest.MonkeyPatch, lake: Lab, file: Path) -> None:
    """Let another run land a file between the next landing's look at the ledger and its commit."""
    write = module.write_deltalake

    def overtaken(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(module, "write_deltalake", write)
        brought(lake, file, batch="faster")
        write(*arguments, **options)

    monkeypatch.setattr(module, "write_deltalake", overtaken)


def test_a_conflict_found_at_the_commit_leaves_out_what_landed_elsewhere(
    lake: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (write_day(tmp_path, f"2010-12-0{day}.csv", [line(day)]) for day in (1, 2))
    overtake(monkeypatch, lake, first)
    result = brought(lake, first, second, batch="slower")
    assert result.known == ("2010-12-01.csv",)
    assert [entry.source_file for entry in result.landed] == ["2010-12-02.csv"]
    assert [(row["_source_file"], row["_batch_id"]) for row in rows(lake)] == [
        ("2010-12-01.csv", "faster"),
        ("2010-12-02.csv", "slower"),
    ]


def test_two_changed_contents_of_one_name_at_the_same_time_get_two_versions(
    lake: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = write_day(tmp_path / "mine", "2010-12-01.csv", [line(1)])
    theirs = write_day(tmp_path / "theirs", "2010-12-01.csv", [line(2)])
    overtake(monkeypatch, lake, theirs)
    brought(lake, mine, batch="slower")
    assert [(row["_file_version"], row["_batch_id"]) for row in rows(lake)] == [(1, "faster"), (2, "slower")]


def test_a_large_file_that_changes_while_it_is_written_is_refused_and_the_others_land(
    lake: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quintet.lake.rawfile.SMALL", 1000)
    large = write_day(tmp_path, "2010-12-01.csv", [line(number) for number in range(1000)])
    small = write_day(tmp_path, "2010-12-02.csv", [line()])
    write = module.write_deltalake

    def disturbed(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(module, "write_deltalake", write)
        large.write_bytes(text(line(number + 5) for number in range(1000)).encode())
        write(*arguments, **options)

    monkeypatch.setattr(module, "write_deltalake", disturbed)
    result = brought(lake, small, large)
    assert [entry.source_file for entry in result.landed] == ["2010-12-02.csv"]
    assert [entry.reason for entry in result.refused] == [
        "2010-12-01.csv: it changed while it was read. "
        "Put files into the input folder by renaming them into place, then run again"
    ]
    assert len(rows(lake)) == 1
    assert len(brought(lake, small, large).landed) == 1
    assert len(rows(lake)) == 1001


LAND_AND_MEASURE = """
import resource, sys
from pathlib import Path
from quintet.lake.landing import land
from quintet.lakehouse.feeds import INVOICE_LINES
from quintet.settings import read_lab
result = land(read_lab(Path(sys.argv[1])), INVOICE_LINES, [Path(sys.argv[2])], batch_id="b1")
print(result.records, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_file(lake: Lab, tmp_path: Path) -> None:
    peaks = []
    for blocks in (90, 270):
        path = tmp_path / f"{blocks}.csv"
        with path.open("w", encoding="utf-8") as file:
            file.write(HEADER + "\n")
            for block in range(blocks):
                file.writelines(f"{line(n, description=f'LANTERN {block} {n} ' + 'x' * 40)}\n" for n in range(10_000))
        peaks.append(in_another_process(LAND_AND_MEASURE, lake.file, path).split())
        assert int(peaks[-1][0]) == blocks * 10_000
    megabytes = (path.stat().st_size - (tmp_path / "90.csv").stat().st_size) / 1_000_000
    assert megabytes > 200
    # Kept whole, as text or as Arrow columns, the larger file would need all of the difference and more.
    assert int(peaks[1][1]) - int(peaks[0][1]) < megabytes * 0.6


def test_rows_have_exactly_the_declared_columns(lake: Lab, tmp_path: Path) -> None:
    brought(lake, write_day(tmp_path, "2010-12-01.csv", [line()]))
    schema = DeltaTable(delta_path(lake, INVOICE_LINES_RAW)).schema()
    assert [field.name for field in schema.fields] == arrow_schema(INVOICE_LINES_RAW).names


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2010-12-01.csv", date(2010, 12, 1)),
        ("sales_2010-12-01_v2.csv.gz", date(2010, 12, 1)),
        ("2010-02-30.csv", None),
        ("12010-12-011.csv", None),
        ("today.csv", None),
    ],
)
def test_the_day_is_taken_from_the_file_name(name: str, day: date | None) -> None:
    assert file_date(name) == day


def test_the_real_days_land_whole(lake: Lab) -> None:
    folder = retail_days()
    if folder is None:
        pytest.skip("the Online Retail days are absent: set QUINTET_INPUT to their folder")
    result = brought(lake, *sorted(folder.glob("*.csv")))
    assert (len(result.landed), result.records, result.refused) == (305, 541_909, ())
    found = rows(lake)
    assert len(found) == 541_909
    assert sum(row["customer_id"] is None for row in found) == 135_080
    assert sum(row["invoice_no"].startswith("C") for row in found) == 9_288
    assert len({row["invoice_no"] for row in found}) == 25_900
    assert len({row["stock_code"] for row in found}) == 4_070
    assert len({(row["_file_hash"], row["_line_number"]) for row in found}) == 541_909
