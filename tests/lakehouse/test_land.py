"""The ingest tasks' functions: JSON in, JSON out, repeatable, and every refusal said in the end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bronze import HEADER, in_another_process, ledger, line, rows, with_tables, write_day
from quintet import alerts
from quintet.catalogue.lakehouse import CUSTOMER_CHANGES_RAW, PRODUCT_CHANGES_RAW
from quintet.errors import InputError
from quintet.lakehouse import land as module
from quintet.lakehouse.feeds import CUSTOMER_CHANGES, FEEDS, INVOICE_LINES, feed, files_of
from quintet.lakehouse.generator import generate
from quintet.lakehouse.land import check_input, land_chunk, list_pending, raise_refused
from quintet.settings import Lab


@pytest.fixture
def lake(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr("quintet.settings.load_lab", lambda: lab)
    return with_tables(lab)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "in"
    for day in (1, 2, 3):
        write_day(place, f"2010-12-0{day}.csv", [line(day)])
    return place


def names(chunks: list[dict[str, object]]) -> list[list[str]]:
    return [[Path(entry["path"]).name for entry in chunk["files"]] for chunk in chunks]  # type: ignore[attr-defined]


def ingested(folder: Path, batch: str) -> list[dict[str, object]]:
    return [land_chunk(json.loads(json.dumps(chunk)), batch) for chunk in list_pending(str(folder))]


def test_the_header_of_the_invoice_feed_is_that_of_the_real_set() -> None:
    assert ",".join(INVOICE_LINES.columns) == HEADER
    assert list(INVOICE_LINES.columns.values())[-2:] == ["customer_id", "country"]


def test_feeds_are_found_by_name_and_carry_all_received_columns() -> None:
    for known in FEEDS:
        assert feed(known.name) is known
        received = [column.name for column in known.table.columns if not column.name.startswith("_")]
        assert list(known.columns.values()) == received


def test_invoice_files_lie_in_the_folder_or_in_by_day(tmp_path: Path) -> None:
    for name in ("2010-12-02.csv", "2010-12-01.csv.gz", "notes.txt", "old.csv.bak"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert [path.name for path in files_of(INVOICE_LINES, tmp_path)] == ["2010-12-01.csv.gz", "2010-12-02.csv"]
    write_day(tmp_path / "by_day", "2010-12-03.csv", [])
    assert [path.name for path in files_of(INVOICE_LINES, tmp_path)] == ["2010-12-03.csv"]
    assert files_of(CUSTOMER_CHANGES, tmp_path) == []


def test_input_is_counted(folder: Path) -> None:
    found = check_input(str(folder))
    assert found["files"] == 3
    assert found["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert found["feeds"] == {"invoice_lines": 3, "customer_changes": 0, "product_changes": 0}


def test_an_absent_folder_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the input folder .*gone does not exist\. Name a folder .*quintet generate"):
        check_input(str(tmp_path / "gone"))


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    path = write_day(tmp_path, "2010-12-01.csv", [])
    with pytest.raises(InputError, match=r"cannot be listed by user .* \(Not a directory\)"):
        check_input(str(path))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \*\.csv or \*\.csv\.gz files\. Put the daily files"):
        check_input(str(tmp_path))


def test_what_has_landed_is_no_longer_pending(lake: Lab, folder: Path) -> None:
    (result,) = ingested(folder, "b1")
    assert result == {
        "batch_id": "b1",
        "landed": 3,
        "records": 3,
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "duplicates": 0,
        "known": 0,
        "healed": 0,
        "refused": [],
        "feeds": {"invoice_lines": 3},
    }
    assert list_pending(str(folder)) == []
    write_day(folder, "2010-12-02.csv", [line(9)])
    write_day(folder, "2010-12-04.csv", [line(1)])
    assert names(list_pending(str(folder))) == [["2010-12-02.csv", "2010-12-04.csv"]]
    (result,) = ingested(folder, "b2")
    assert (result["landed"], result["duplicates"]) == (1, 1)
    assert list_pending(str(folder)) == []


def test_bounds_take_days_inclusively_and_leave_out_files_without_a_day(lake: Lab, folder: Path) -> None:
    write_day(folder, "extra.csv", [line(7)])
    assert names(list_pending(str(folder), "2010-12-02", "2010-12-03")) == [["2010-12-02.csv", "2010-12-03.csv"]]
    assert names(list_pending(str(folder), None, "2010-12-01")) == [["2010-12-01.csv"]]
    assert names(list_pending(str(folder), "2011-01-01", None)) == []
    assert names(list_pending(str(folder))) == [["2010-12-01.csv", "2010-12-02.csv", "2010-12-03.csv", "extra.csv"]]


def test_a_bound_that_is_no_day_is_refused(lake: Lab, folder: Path) -> None:
    with pytest.raises(InputError, match=r"'from' is no day: yesterday\. Write it as YYYY-MM-DD"):
        list_pending(str(folder), "yesterday")


def test_many_bytes_are_shared_among_up_to_four_chunks(
    lake: Lab, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(4, 10):
        write_day(folder, f"2010-12-0{day}.csv", [line(day)] * 2)
    monkeypatch.setattr(module, "PARALLEL_BYTES", 1000)
    chunks = list_pending(str(folder))
    assert len(chunks) == 4
    assert [name for chunk in names(chunks) for name in chunk] == sorted(path.name for path in folder.iterdir())
    sizes = [int(chunk["bytes"]) for chunk in chunks]
    assert max(sizes) < 2 * min(sizes)
    assert sum(int(land_chunk(chunk, "b1")["landed"]) for chunk in chunks) == 9


def test_refused_files_are_said_in_the_end_each_run_until_they_are_repaired(lake: Lab, folder: Path) -> None:
    write_day(folder, "2010-12-02.csv", ["1,2"])
    (folder / "2010-12-05.csv").write_text("", encoding="utf-8")
    for batch, landed in (("b1", 2), ("b2", 0)):
        (result,) = ingested(folder, batch)
        assert result["landed"] == landed
        with pytest.raises(InputError) as caught:
            raise_refused(batch)
        assert caught.value.message == (
            "2 files were refused, all others have landed:\n"
            "  - [invoice_lines] 2010-12-02.csv, line 2: the last record is cut off: it has 2 fields, the header 8: "
            "1,2. Ask for the whole file and send it again under the same name\n"
            "  - [invoice_lines] 2010-12-05.csv: it is empty: there is not even a header. "
            "Ask for the whole file and send it again under the same name"
        )
        assert "Repair these files and run again" in caught.value.remedy
    write_day(folder, "2010-12-02.csv", [line(2)])
    write_day(folder, "2010-12-05.csv", [line(5)])
    (result,) = ingested(folder, "b3")
    assert result["landed"] == 2
    assert raise_refused("b3") == {"batch_id": "b3", "refused": 0}


def test_a_generated_shop_lands_whole(lake: Lab, tmp_path: Path) -> None:
    truth = generate(tmp_path / "shop", days=14, seed=2)
    (result,) = ingested(tmp_path / "shop", "b1")
    assert result["refused"] == []
    assert result["landed"] == truth.expect["files"]
    found = rows(lake)
    assert len(found) == truth.expect["bronze_lines"]
    assert sum(row["customer_id"] is None for row in found) == truth.expect["guest_lines"]
    assert len({row["customer_id"] for row in found} - {None}) == truth.expect["customers"]
    assert len(rows(lake, CUSTOMER_CHANGES_RAW)) == truth.expect["customer_change_lines"]
    assert len(rows(lake, PRODUCT_CHANGES_RAW)) == truth.expect["product_change_lines"]
    hashes = {(row["feed"], row["_source_file"]): row["_file_hash"] for row in ledger(lake)}
    assert hashes == {(name, file): digest for name, files in truth.files.items() for file, digest in files.items()}
    assert {row["encoding"] for row in ledger(lake)} == {"utf-8", "utf-8-sig", "latin-1"}


MAIN = "import sys\nfrom quintet.lakehouse.land import main\nsys.exit(main(sys.argv[1:]))\n"


def test_the_program_lands_a_folder_and_ends_with_the_result(lab: Lab, folder: Path) -> None:
    with_tables(lab)
    output = in_another_process(MAIN, "--lab", lab.file, "--input", folder, "--from", "2010-12-02")
    (result,) = json.loads(output.splitlines()[-1].removeprefix("RESULT "))
    assert (result["landed"], result["records"]) == (2, 2)
    assert in_another_process(MAIN, "--lab", lab.file, "--input", folder, "--from", "2010-12-02") == "RESULT []\n"


def test_the_program_ends_with_the_code_of_bad_input(lab: Lab, folder: Path) -> None:
    with_tables(lab)
    (folder / "2010-12-05.csv").write_text("", encoding="utf-8")
    output = in_another_process(MAIN, "--lab", lab.file, "--input", folder, expect=4)
    assert "1 file was refused, all others have landed" in output
    assert len(rows(lab)) == 3


def test_landing_needs_no_jvm() -> None:
    program = "import sys, quintet.lakehouse.land\nprint('pyspark' in sys.modules, 'jpype' in sys.modules)"
    assert in_another_process(program).split() == ["False", "False"]
    assert sys.version_info >= (3, 11)


def test_an_earlier_version_that_stands_there_again_is_told_and_does_not_land(lake: Lab, folder: Path) -> None:
    ingested(folder, "first")
    first = (folder / "2010-12-02.csv").read_bytes()
    write_day(folder, "2010-12-02.csv", [line(2), line(5)])
    ingested(folder, "second")
    assert alerts.read(lake) == []
    (folder / "2010-12-02.csv").write_bytes(first)
    assert list_pending(str(folder)) == []
    (told,) = alerts.read(lake)
    assert told.alert.detail == "- 2010-12-02.csv as in version 1, version 2 is in force"
    (folder / "2010-12-02.csv").write_bytes(first + b"\n")
    assert names(list_pending(str(folder))) == [["2010-12-02.csv"]]
