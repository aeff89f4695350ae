"""Silver: what becomes of lines, and that any order of runs ends in the tables of one full refresh."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from bronze import write_day
from labs import lab_below
from paths import retail_days
from quintet.catalogue import Table
from quintet.catalogue.lakehouse import CUSTOMERS, DAY_BALANCE, INVOICE_LINES, INVOICE_LINES_RAW
from quintet.errors import LabError
from quintet.lake.create import create_tables
from quintet.lake.landing import land
from quintet.lake.tables import delta_path
from quintet.lakehouse.feeds import INVOICE_LINES as LINES
from quintet.lakehouse.generator import Scale, generate
from quintet.lakehouse.selection import Days
from quintet.lakehouse.silver import build
from quintet.settings import Lab
from silver_tables import hold_rows, land_files, silver_tables, table_rows, table_versions
from spark_session import spark_jars

Build = Callable[..., dict[str, Any]]
FIRST = "2025-03-03"
SECOND = "2025-03-04"


def record(
    invoice: str = "1",
    code: str = "85123A",
    text: str = "LANTERN",
    pieces: object = 6,
    at: str = f"{FIRST} 08:26:00",
    price: str = "2.55",
    customer: str = "17850.0",
    country: str = "United Kingdom",
) -> str:
    return f"{invoice},{code},{text},{pieces},{at},{price},{customer},{country}"


@pytest.fixture
def run(spark: SparkSession, spark_lab: Lab) -> Build:
    def run_silver(lab: Lab = spark_lab, **arguments: Any) -> dict[str, Any]:
        return build(lab, lambda: spark, **arguments)

    return run_silver


@pytest.fixture
def days(tmp_path: Path) -> Path:
    return tmp_path / "by_day"


def lines(lab: Lab) -> list[dict[str, Any]]:
    return table_rows(lab, INVOICE_LINES)


def balance(lab: Lab) -> dict[str, tuple[int, ...]]:
    """Bronze, silver, exact, business, quarantined, superseded rows by file and hash."""
    names = ("bronze", "silver", "exact_duplicate", "business_duplicate", "quarantined", "superseded")
    return {
        f"{row['source_file']}:{row['file_hash'][:6]}": tuple(row[f"{name}_rows"] for name in names)
        for row in table_rows(lab, DAY_BALANCE)
    }


def named(path: Path) -> str:
    return f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:6]}"


@dataclass
class Run:
    """What a run said and left behind."""

    result: dict[str, Any]
    lines: list[dict[str, Any]]
    balance: dict[str, tuple[int, ...]]


@dataclass
class Runs:
    """Two runs over files that have nothing to do with each other: a build takes its time whatever it has to do."""

    lab: Lab
    typed: Path
    double: Path
    held: Path
    first: Run
    second: Run


@pytest.fixture(scope="module")
def runs(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Between the runs two held rows are let out and a sale lands that lies before a return which has one already."""
    folder = tmp_path_factory.mktemp("runs")
    lab = lab_below(folder / "lab", jars=spark_jars())
    create_tables(lab, trino=False)

    def run() -> Run:
        result = build(lab, lambda: spark)
        return Run(result, lines(lab), balance(lab))

    days = folder / "by_day"
    typed = write_day(days, f"{FIRST}.csv", [record(" c5 ", "post ", "  two   words", -1, price="18.00", customer="")])
    texts = ("LAMP", "LANTERN", "LAMP", "LANTERN")
    repeated = [record(text=text, customer="16000.0") for text in texts]
    double = write_day(days, f"{SECOND}.csv", [*repeated, record(invoice="2", customer="16000.0")])
    waiting = [record(invoice, at="2025-03-06 09:00:00", customer="18000.0") for invoice in ("11", "11", "12")]
    held = write_day(days, "2025-03-06.csv", waiting)
    sale = write_day(days, "2025-03-01.csv", [record(at="2025-03-01 09:00:00")])
    back = write_day(days, "2025-03-05.csv", [record("C9", pieces=-2, at="2025-03-05 09:00:00")])
    land_files(lab, [typed, double, held, sale, back])
    content = hashlib.sha256(held.read_bytes()).hexdigest()
    hold_rows(lab, [(content, 2), (content, 4)])
    first = run()
    hold_rows(lab, [(content, 2), (content, 4)], status="replayed")
    land_files(lab, [write_day(days, "2025-03-02.csv", [record("4", at="2025-03-02 10:00:00")])])
    return Runs(lab, typed, double, held, first, run())


def test_a_line_is_typed_keyed_and_classified(runs: Runs) -> None:
    (row,) = (row.copy() for row in runs.first.lines if row["source_file"] == runs.typed.name)
    assert row.pop("invoice_line_id") == hashlib.sha256(b"C5|POST|-1|18.0000|2025-03-03 08:26:00|").hexdigest()
    assert str(row.pop("unit_price_gbp")) == "18.0000"
    assert str(row.pop("line_amount_gbp")) == "-18.0000"
    assert row.pop("invoiced_at").isoformat() == "2025-03-03T08:26:00+00:00"
    assert row == {
        "invoice_id": "C5",
        "product_id": "POST",
        "customer_id": None,
        "is_guest": True,
        "country": "United Kingdom",
        "description": "two words",
        "line_type": "fee",
        "quantity": -1,
        "trade_date": date(2025, 3, 3),
        "reverses_invoice_line_id": None,
        "source_file": f"{FIRST}.csv",
        "file_version": 1,
        "line_number": 2,
        "file_hash": hashlib.sha256(runs.typed.read_bytes()).hexdigest(),
    }


def test_duplicates_keep_the_first_line_and_are_told_apart(runs: Runs) -> None:
    found = [row for row in runs.first.lines if row["source_file"] == runs.double.name]
    assert [(row["invoice_id"], row["description"], row["line_number"]) for row in found] in (
        [("1", "LAMP", 2), ("2", "LANTERN", 6)],
        [("2", "LANTERN", 6), ("1", "LAMP", 2)],
    )
    assert runs.first.balance[named(runs.double)] == (5, 2, 2, 1, 0, 0)


@pytest.mark.long
def test_an_earlier_file_that_arrives_late_owns_the_line(run: Build, spark_lab: Lab, days: Path) -> None:
    later = write_day(days, f"{SECOND}.csv", [record(), record(invoice="2")])
    land_files(spark_lab, [later])
    run()
    assert {row["source_file"] for row in lines(spark_lab)} == {later.name}
    earlier = write_day(days, f"{FIRST}.csv", [record(text="LAMP")])
    land_files(spark_lab, [earlier])
    run()
    owners = {row["invoice_id"]: (row["source_file"], row["description"]) for row in lines(spark_lab)}
    assert owners == {"1": (earlier.name, "LAMP"), "2": (later.name, "LANTERN")}
    assert balance(spark_lab) == {named(earlier): (1, 1, 0, 0, 0, 0), named(later): (2, 1, 0, 1, 0, 0)}


@pytest.mark.long
def test_a_changed_file_takes_back_what_it_no_longer_says(run: Build, spark_lab: Lab, days: Path) -> None:
    other = write_day(days, f"{SECOND}.csv", [record()])
    path = write_day(days, f"{FIRST}.csv", [record(), record(invoice="2")])
    old = named(path)
    land_files(spark_lab, [other, path])
    run()
    assert {row["source_file"] for row in lines(spark_lab)} == {path.name}
    write_day(days, f"{FIRST}.csv", [record(invoice="3")])
    land_files(spark_lab, [path])
    run()
    owners = {row["invoice_id"]: (row["source_file"], row["file_version"]) for row in lines(spark_lab)}
    assert owners == {"1": (other.name, 1), "3": (path.name, 2)}
    assert balance(spark_lab) == {
        old: (2, 0, 0, 0, 0, 2),
        named(path): (1, 1, 0, 0, 0, 0),
        named(other): (1, 1, 0, 0, 0, 0),
    }


def test_rows_in_quarantine_wait_and_are_published_when_let_out(runs: Runs) -> None:
    waiting, let_out = (
        sorted(row["line_number"] for row in run.lines if row["source_file"] == runs.held.name)
        for run in (runs.first, runs.second)
    )
    assert waiting == [3]
    assert runs.first.balance[named(runs.held)] == (3, 1, 0, 0, 2, 0)
    # The other is the file of the late sale.
    assert runs.second.result["files"] == 2
    assert let_out == [2, 4]
    assert runs.second.balance[named(runs.held)] == (3, 2, 1, 0, 0, 0)


def test_a_late_sale_takes_a_return_of_another_day(runs: Runs) -> None:
    assert runs.first.result["matched_returns"] == 1
    before, after = (
        {row["invoice_id"]: row for row in run.lines if row["customer_id"] == 17850}
        for run in (runs.first, runs.second)
    )
    assert before["C9"]["reverses_invoice_line_id"] == before["1"]["invoice_line_id"]
    assert after["C9"]["reverses_invoice_line_id"] == after["4"]["invoice_line_id"]
    assert after["1"]["reverses_invoice_line_id"] is None


def test_a_run_without_anything_new_writes_nothing_and_starts_no_spark(runs: Runs) -> None:
    before = table_versions(runs.lab)

    def refuse() -> SparkSession:
        raise AssertionError("Spark was started")

    assert build(runs.lab, refuse)["files"] == 0
    assert table_versions(runs.lab) == before


def test_rows_that_cannot_be_typed_and_were_let_through_stop_the_run(run: Build, spark_lab: Lab, days: Path) -> None:
    land_files(spark_lab, [write_day(days, f"{FIRST}.csv", [record(), record(pieces="six")])])
    before = table_versions(spark_lab)
    with pytest.raises(LabError, match=f"{FIRST}.csv version 1: 2 bronze rows, 1 silver, .* 1 untyped"):
        run()
    assert table_versions(spark_lab) == before


@pytest.mark.long
def test_files_that_land_after_the_gate_wait(run: Build, spark_lab: Lab, days: Path) -> None:
    land_files(spark_lab, [write_day(days, f"{FIRST}.csv", [record()])])
    judged = DeltaTable(delta_path(spark_lab, INVOICE_LINES_RAW)).version()
    land_files(spark_lab, [write_day(days, f"{SECOND}.csv", [record(invoice="2")])])
    run(bronze_version=judged)
    assert [row["invoice_id"] for row in lines(spark_lab)] == ["1"]
    run()
    assert sorted(row["invoice_id"] for row in lines(spark_lab)) == ["1", "2"]


@pytest.mark.long
def test_bronze_that_was_rolled_back_wants_a_full_refresh(run: Build, spark_lab: Lab, days: Path) -> None:
    land_files(spark_lab, [write_day(days, f"{FIRST}.csv", [record()])])
    judged = DeltaTable(delta_path(spark_lab, INVOICE_LINES_RAW)).version()
    land_files(spark_lab, [write_day(days, f"{SECOND}.csv", [record(invoice="2")])])
    run()
    DeltaTable(delta_path(spark_lab, INVOICE_LINES_RAW)).restore(judged)
    with pytest.raises(LabError, match=r"from 1 files that bronze no longer has .* run with --full-refresh"):
        run()
    run(full_refresh=True)
    assert [row["invoice_id"] for row in lines(spark_lab)] == ["1"]
    assert len(table_rows(spark_lab, DAY_BALANCE)) == 1


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of a small shop, made worse: a file sent again changed, and one sent again in part under another name.

    The changed file lies in a folder of its own under its first name; it must land after the first.
    """
    folder = tmp_path_factory.mktemp("shop")
    generate(folder, days=14, seed=11, scale=Scale(orders_per_day=16, customers=40, products=40))
    by_day = sorted(path for path in (folder / "by_day").iterdir() if path.suffix == ".csv")
    first = by_day[3].read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    again = folder / "again"
    again.mkdir()
    (again / by_day[3].name).write_text("".join([first[0], *first[4:]]), encoding="utf-8")
    other = by_day[7].read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    (again / "undated.csv").write_text("".join([*other[:12], *first[20:25]]), encoding="utf-8")
    return [
        *(path for name in ("by_day", "customers", "products") for path in sorted((folder / name).iterdir())),
        *again.iterdir(),
    ]


@pytest.fixture(scope="module")
def fresh(spark: SparkSession, shop: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Lab]:
    """Labs with empty tables and the broken rows of the shop's files in quarantine, as the gate would leave them."""
    held = [(row["_file_hash"], row["_line_number"]) for row in _broken(shop, tmp_path_factory.mktemp("judge"))]
    assert held

    def lab() -> Lab:
        made = lab_below(tmp_path_factory.mktemp("lab"), jars=spark_jars())
        create_tables(made, trino=False)
        hold_rows(made, held)
        return made

    return lab


@pytest.fixture(scope="module")
def expected(spark: SparkSession, shop: list[Path], fresh: Callable[[], Lab]) -> dict[str, list[dict[str, Any]]]:
    """The tables of one run over everything."""
    lab = fresh()
    land_files(lab, shop)
    build(lab, lambda: spark)
    found = silver_tables(lab)
    assert {"exact_duplicate_rows", "business_duplicate_rows", "quarantined_rows", "superseded_rows"} <= {
        name for row in found["day_balance"] for name, value in row.items() if value
    }
    assert any(row["reverses_invoice_line_id"] for row in found["invoice_lines"])
    assert {row["origin"] for row in found["customers"]} == {"feed", "lines"}
    return found


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_any_division_and_order_of_files_ends_in_the_same_tables(
    spark: SparkSession,
    shop: list[Path],
    fresh: Callable[[], Lab],
    expected: dict[str, list[dict[str, Any]]],
    seed: int,
) -> None:
    rng = Random(seed)  # noqa: S311 - data, not secrets
    lab = fresh()
    order = [path for path in shop if path.parent.name != "again" or path.name == "undated.csv"]
    rng.shuffle(order)
    (changed,) = (path for path in shop if path.parent.name == "again" and path.name != "undated.csv")
    place = next(
        number for number, path in enumerate(order) if path.name == changed.name and path.parent.name == "by_day"
    )
    order.insert(rng.randint(place + 1, len(order)), changed)
    cuts = sorted(rng.sample(range(1, len(order)), 3))
    for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
        land_files(lab, order[start:end])
        build(lab, lambda: spark)
    assert silver_tables(lab) == expected


@pytest.mark.long
def test_a_back_fill_by_ranges_and_a_full_refresh_end_in_the_same_tables(
    spark: SparkSession, shop: list[Path], fresh: Callable[[], Lab], expected: dict[str, list[dict[str, Any]]]
) -> None:
    lab = fresh()
    land_files(lab, shop)
    build(lab, lambda: spark, days=Days(date(2025, 1, 6), date(2025, 1, 9)))
    assert silver_tables(lab) != expected
    build(lab, lambda: spark, days=Days(None, date(2025, 1, 7)))
    build(lab, lambda: spark, days=Days(date(2025, 1, 8), None))
    build(lab, lambda: spark)  # the file without a day
    assert silver_tables(lab) == expected
    build(lab, lambda: spark, full_refresh=True)
    assert silver_tables(lab) == expected


# As a run leaves it that died before the dimensions, and before the balance.
@pytest.mark.long
@pytest.mark.parametrize("unwritten", [(DAY_BALANCE, CUSTOMERS), pytest.param((DAY_BALANCE,), marks=pytest.mark.long)])
def test_a_run_that_died_between_its_commits_is_made_good(
    spark: SparkSession,
    shop: list[Path],
    fresh: Callable[[], Lab],
    expected: dict[str, list[dict[str, Any]]],
    unwritten: tuple[Table, ...],
) -> None:
    lab = fresh()
    land_files(lab, shop[:6])
    build(lab, lambda: spark)
    versions = table_versions(lab)
    land_files(lab, shop[6:])
    build(lab, lambda: spark)
    for table in unwritten:
        _forget_after(delta_path(lab, table), versions[table.name])
    build(lab, lambda: spark)
    assert silver_tables(lab) == expected


@pytest.mark.long
def test_the_real_days_come_out_with_the_known_facts(spark: SparkSession, spark_lab: Lab) -> None:
    folder = retail_days()
    if folder is None:
        pytest.skip("the real days are not on this machine")
    land(spark_lab, LINES, sorted(folder.glob("*.csv")), batch_id="test")
    result = build(spark_lab, lambda: spark)
    assert result["exact_duplicate_rows"] == 5_268
    assert result["business_duplicate_rows"] == 2
    assert result["silver_rows"] == 541_909 - 5_270
    found = pa.table(DeltaTable(delta_path(spark_lab, INVOICE_LINES)).scan(columns=["invoice_line_id", "customer_id"]))
    assert found.num_rows == 541_909 - 5_270
    assert len(found["invoice_line_id"].unique()) == found.num_rows
    assert len(found["customer_id"].drop_null().unique()) == 4_372
    assert len(table_rows(spark_lab, CUSTOMERS)) == 4_372
    assert sum(row["bronze_rows"] for row in table_rows(spark_lab, DAY_BALANCE)) == 541_909


def _forget_after(table: Path, version: int) -> None:
    """Take back the latest commits of a table, as if they had not been made."""
    for entry in (table / "_delta_log").iterdir():
        if (entry.name[:20].isdigit() and int(entry.name[:20]) > version) or entry.name == "_last_checkpoint":
            entry.unlink()


def _broken(files: list[Path], folder: Path) -> list[dict[str, Any]]:
    """Bronze rows that a reader of the generator's defects finds broken, without the gate."""
    lab = lab_below(folder)
    create_tables(lab, trino=False)
    land_files(lab, files)
    rows = pa.table(DeltaTable(delta_path(lab, INVOICE_LINES_RAW)).scan()).to_pylist()
    return [row for row in rows if _is_broken(row)]


def _is_broken(row: dict[str, Any]) -> bool:
    moment, pieces, price = row["invoice_date"], row["quantity"], row["unit_price"]
    if not (row["invoice_no"] and row["stock_code"] and row["country"]):
        return True
    if not pieces.lstrip("-").isdigit() or not 0 < abs(int(pieces)) <= 100_000:
        return True
    if not price.lstrip("-").replace(".", "").isdigit() or (float(price) < 0 and row["stock_code"] != "B"):
        return True
    if row["invoice_no"].startswith("C") and int(pieces) > 0:
        return True
    return "-02-30 " in moment or (row["_file_date"] is not None and moment[:10] > str(row["_file_date"]))
