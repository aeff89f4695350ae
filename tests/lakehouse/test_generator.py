"""The generated shop: the same seed gives the same bytes, every promised defect is in it, the truth fits the files."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest

from bronze import HEADER
from paths import ROOT
from quintet.errors import InputError, VerifyError
from quintet.lakehouse.generator import Scale, generate, repair
from quintet.lakehouse.truth import Truth, money

DAYS = 40
SCALE = Scale(orders_per_day=30, customers=150, products=120)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    out = tmp_path_factory.mktemp("shop")
    return out, generate(out, days=DAYS, seed=11, scale=SCALE)


def decoded(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def records(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(decoded(path), newline="")))


def every_record(folder: Path) -> list[dict[str, str]]:
    return [row for path in sorted(folder.iterdir()) for row in records(path)]


def number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def test_another_process_with_another_hash_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from quintet.lakehouse.generator import generate; "
        "generate(Path(sys.argv[1]), days=15, seed=3, poison_day=9)"
    )
    contents = []
    for hash_seed in ("1", "2"):
        out = tmp_path / hash_seed
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "include"), "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", program, str(out)], env=environment, check=True)
        contents.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert contents[0] == contents[1]
    assert len(contents[0]) > 30


def test_another_seed_gives_another_shop(tmp_path: Path) -> None:
    one = generate(tmp_path / "1", days=3, seed=1)
    two = generate(tmp_path / "2", days=3, seed=2)
    assert one.files["invoice_lines"] != two.files["invoice_lines"]


def test_the_generator_needs_no_engine() -> None:
    program = (
        "import sys; import quintet.lakehouse.generator; "
        "print(sorted({'pyarrow', 'deltalake', 'pyspark', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "include")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_bronze_metrics_are_those_of_the_files(shop: tuple[Path, Truth]) -> None:
    out, truth = shop
    rows = every_record(out / "by_day")
    amounts = [(number(row["Quantity"]), number(row["UnitPrice"])) for row in rows]
    assert truth.expect["bronze_lines"] == len(rows)
    for metric, column in (
        ("invoices", "InvoiceNo"),
        ("stock_codes", "StockCode"),
        ("customers", "CustomerID"),
        ("countries", "Country"),
    ):
        assert truth.expect[metric] == len({row[column] for row in rows} - {""}), metric
    assert truth.expect["guest_lines"] == sum(row["CustomerID"] == "" for row in rows)
    assert truth.expect["cancellation_lines"] == sum(row["InvoiceNo"].startswith("C") for row in rows)
    net = sum((pieces * price for pieces, price in amounts if pieces is not None and price is not None), Decimal(0))
    assert Decimal(str(truth.expect["net_value_gbp"])) == net
    assert truth.expect["customer_change_lines"] == len(every_record(out / "customers"))
    assert truth.expect["product_change_lines"] == len(every_record(out / "products"))


def test_exact_duplicates_are_those_of_the_files(shop: tuple[Path, Truth]) -> None:
    out, truth = shop
    counts = Counter(tuple(row.values()) for row in every_record(out / "by_day"))
    assert truth.expect["exact_duplicates"] == sum(count - 1 for count in counts.values())
    assert truth.defects["exact_within"] > 0
    assert truth.defects["exact_across"] > 0


def test_business_duplicates_are_those_of_the_files(shop: tuple[Path, Truth]) -> None:
    out, truth = shop
    distinct = {tuple(row.values()) for row in every_record(out / "by_day")}
    keys = Counter(
        (invoice, code.strip().upper(), quantity, number(price), moment, customer)
        for invoice, code, _, quantity, moment, price, customer, _ in distinct
    )
    assert truth.expect["business_duplicates"] == sum(count - 1 for count in keys.values())
    assert truth.expect["business_duplicates"] == sum(
        count for name, count in truth.defects.items() if name.startswith("business_")
    )
    assert {"business_description", "business_price_zero", "business_stock_code"} <= set(truth.defects)


def test_lines_are_conserved_in_total_by_file_and_by_type(shop: tuple[Path, Truth]) -> None:
    _, truth = shop
    parts = ("silver_lines", "exact_duplicates", "business_duplicates", "quarantined")
    numbers = {name: int(value) for name, value in truth.expect.items() if not name.endswith("_gbp")}
    assert numbers["bronze_lines"] == sum(numbers[name] for name in parts)
    for file, values in truth.per_file.items():
        assert values["bronze_lines"] == sum(values[name] for name in parts), file
    assert {name: sum(values[name] for values in truth.per_file.values()) for name in parts} == {
        name: numbers[name] for name in parts
    }
    types = ("sales", "returns", "adjustments", "fees")
    assert numbers["silver_lines"] == sum(numbers[name] for name in types)
    assert min(numbers[name] for name in types) > 0
    assert sum(int(values["silver_lines"]) for values in truth.daily.values()) == numbers["silver_lines"]
    assert sum((Decimal(str(values["net_gbp"])) for values in truth.daily.values()), Decimal(0)) == Decimal(
        str(truth.expect["silver_net_value_gbp"])
    )


def test_every_matched_return_has_an_earlier_sale_that_is_large_enough_and_its_own(shop: tuple[Path, Truth]) -> None:
    out, truth = shop
    rows = [row for row in every_record(out / "by_day") if row["CustomerID"]]
    sales: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for row in rows:
        if row["InvoiceNo"].isdigit() and row["Quantity"].isdigit():
            pair = (row["CustomerID"], row["StockCode"])
            sales.setdefault(pair, []).append((row["InvoiceDate"], int(row["Quantity"])))
    returns = [row for row in rows if row["InvoiceNo"].startswith("C")]
    matched = [
        row
        for row in returns
        if any(
            moment < row["InvoiceDate"] and pieces >= -int(row["Quantity"])
            for moment, pieces in sales.get((row["CustomerID"], row["StockCode"]), [])
        )
    ]
    assert truth.expect["matched_returns"] == len(matched) > 0
    assert len({(row["CustomerID"], row["StockCode"]) for row in matched}) == len(matched)
    assert int(truth.expect["returns"]) > len(matched), "some returns have no sale"


def test_broken_rows_stay_below_the_gate_of_each_file(shop: tuple[Path, Truth]) -> None:
    _, truth = shop
    for file, values in truth.per_file.items():
        assert values["quarantined"] <= min(50, 0.05 * values["bronze_lines"]), file
    broken = {name for name in truth.defects if name.startswith("broken_")}
    assert len(broken) >= 10


def test_every_kind_of_file_is_there(shop: tuple[Path, Truth]) -> None:
    out, _ = shop
    files = sorted((out / "by_day").iterdir())
    contents = [path.read_bytes() for path in files]
    assert any(content.startswith(b"\xef\xbb\xbf") for content in contents)
    assert any(path.suffix == ".gz" for path in files)
    assert any(content.startswith(b'"InvoiceNo"') and b"\r\n" in content for content in contents)
    latin = [
        content for path, content in zip(files, contents, strict=True) if path.suffix != ".gz" and b"\xc9" in content
    ]
    assert any(b"CAF\xc9" in content for content in latin)
    descriptions = {row["Description"] for row in every_record(out / "by_day")}
    for mark in (",", '"', "\n"):
        assert any(mark in text for text in descriptions)
    assert decoded(files[0]).startswith(HEADER + "\n")


def test_days_without_trade_have_no_file_and_late_lines_arrive_in_a_later_one(shop: tuple[Path, Truth]) -> None:
    out, truth = shop
    days = {path.name[:10] for path in (out / "by_day").iterdir()}
    calendar = {str(date(2025, 1, 1) + timedelta(days=day)) for day in range(DAYS)}
    assert days < calendar
    late = 0
    for path in (out / "by_day").iterdir():
        for row in records(path):
            moment = row["InvoiceDate"][:10]
            late += moment in days and moment < path.name[:10]
    assert late >= truth.defects["late_lines"] > 0


def test_changes_arrive_late_out_of_order_and_twice_and_versions_are_counted(shop: tuple[Path, Truth]) -> None:
    out, truth = shop
    rows = every_record(out / "customers")
    arrival: dict[str, list[str]] = {}
    for row in rows:
        arrival.setdefault(row["customer_id"], []).append(row["changed_at"])
    assert any(moments != sorted(moments) for moments in arrival.values())
    assert len({tuple(row.values()) for row in rows}) < len(rows)
    versions = deleted = 0
    for customer in arrival:
        mine = sorted((row for row in rows if row["customer_id"] == customer), key=lambda row: row["changed_at"])
        states = [(row["city"], row["country"], row["segment"], row["operation"]) for row in mine]
        versions += sum(state != before for state, before in zip(states, [None, *states], strict=False))
        deleted += states[-1][-1] == "delete"
    unfed = int(truth.expect["dim_customers"]) - len(arrival)
    assert truth.expect["customer_versions"] == versions + unfed
    assert truth.expect["deleted_customers"] == deleted
    assert unfed > 0, "some customers are known from invoices only"


def test_product_versions_are_counted(shop: tuple[Path, Truth]) -> None:
    out, truth = shop
    rows = every_record(out / "products")
    codes = {row["stock_code"] for row in rows}
    versions = 0
    for code in codes:
        mine = sorted((row for row in rows if row["stock_code"] == code), key=lambda row: row["changed_at"])
        states = [(row["description"], row["list_price"], row["operation"]) for row in mine]
        versions += sum(state != before for state, before in zip(states, [None, *states], strict=False))
    assert truth.expect["product_versions"] == versions + int(truth.expect["dim_products"]) - len(codes)
    assert versions > len(codes)


def test_the_truth_names_every_file_with_its_hash(shop: tuple[Path, Truth]) -> None:
    out, truth = shop
    for feed, folder in (
        ("invoice_lines", "by_day"),
        ("customer_changes", "customers"),
        ("product_changes", "products"),
    ):
        found = {}
        for path in (out / folder).iterdir():
            content = path.read_bytes()
            found[path.name] = hashlib.sha256(gzip.decompress(content) if path.suffix == ".gz" else content).hexdigest()
        assert truth.files[feed] == found
    assert Truth.read(out / "truth.json") == truth


def test_a_poison_day_is_broken_far_beyond_the_gate_and_repaired_in_place(tmp_path: Path) -> None:
    clean = generate(tmp_path / "clean", days=20, seed=5, scale=SCALE)
    truth = generate(tmp_path / "poisoned", days=20, seed=5, scale=SCALE, poison_day=12)
    assert truth.expect == clean.expect
    assert truth.poison is not None
    file = str(truth.poison["file"])
    changed = [
        name for name, digest in truth.files["invoice_lines"].items() if clean.files["invoice_lines"][name] != digest
    ]
    assert changed == [file]
    before = [tuple(row.values()) for row in records(tmp_path / "clean" / "by_day" / file)]
    after = [tuple(row.values()) for row in records(tmp_path / "poisoned" / "by_day" / file)]
    broken = sum(one != other for one, other in zip(before, after, strict=True))
    assert broken == truth.poison["broken"] == sum(truth.poison["rules"].values()) > max(50, 0.05 * len(before))
    assert len(truth.poison["rules"]) >= 4
    assert truth.poison["after_repair"] == {"more_bronze_lines": len(before), "superseded": len(before)}
    repaired = repair(tmp_path / "poisoned")
    assert records(repaired) == records(tmp_path / "clean" / "by_day" / file)
    assert hashlib.sha256(repaired.read_bytes()).hexdigest() == truth.poison["repaired_sha256"]


def test_progress_is_told_day_by_day(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    generate(tmp_path, days=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    generate(tmp_path, days=2)
    with pytest.raises(InputError, match="holds an input already"):
        generate(tmp_path, days=2)


@pytest.mark.parametrize(("days", "poison"), [(0, None), (5, 6), (5, 0)])
def test_days_outside_are_refused(tmp_path: Path, days: int, poison: int | None) -> None:
    with pytest.raises(InputError, match="Count days from 1"):
        generate(tmp_path, days=days, poison_day=poison)


def test_an_input_without_poison_cannot_be_repaired(tmp_path: Path) -> None:
    generate(tmp_path, days=2)
    with pytest.raises(InputError, match="has no poison day"):
        repair(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', "{"])
def test_a_damaged_truth_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(VerifyError, match=r"the truth file .*Generate the input again"):
        Truth.read(path)


@pytest.mark.parametrize(
    ("units", "text"), [(0, "0.0000"), (1, "0.0001"), (-15_000, "-1.5000"), (97_477_479_340, "9747747.9340")]
)
def test_money_is_written_with_four_places(units: int, text: str) -> None:
    assert money(units) == text
