"""The quarantine for people: listing, and accepting rows without Spark."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from bronze import rows, with_tables
from labs import lab_below
from quintet.catalogue.lakehouse import QUARANTINE
from quintet.errors import ServiceDownError
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lakehouse import quarantine
from quintet.lakehouse.held import OPEN, REPLAYED, Choice, files_with, main, quarantined_rows, replay
from quintet.settings import Lab

AT = datetime(2025, 1, 2, 6, tzinfo=UTC)
PRICE, PIECES = "unit_price_negative", "quantity_unreadable"


@pytest.fixture
def shop(lab: Lab) -> Lab:
    """Two files with rows in quarantine: two broken prices, one of them beside a broken quantity, and a price."""
    with_tables(lab)
    held = [
        row("one", 2, PRICE),
        row("one", 3, f"{PIECES},{PRICE}"),
        row("two", 7, PRICE),
        row("old", 2, PRICE, _status="superseded"),
    ]
    schema = arrow_schema(QUARANTINE)
    write_deltalake(delta_path(lab, QUARANTINE), pa.Table.from_pylist(held, schema=schema), mode="append")
    return lab


def row(name: str, line: int, reasons: str, **changes: Any) -> dict[str, Any]:
    values = {column.name: None for column in QUARANTINE.columns}
    provenance = {"_source_file": f"{name}.csv", "_file_version": 1, "_line_number": line, "_file_hash": name}
    found = {"_reasons": reasons, "_status": OPEN, "_run_id": "run", "_detected_at": AT}
    return {**values, "quantity": "many", **provenance, **found, **changes}


def states(lab: Lab) -> dict[tuple[str, int], tuple[str, str | None]]:
    return {
        (found["_file_hash"], found["_line_number"]): (found["_status"], found["_decided_by"])
        for found in rows(lab, QUARANTINE)
    }


def test_counts_are_those_of_open_rows(shop: Lab) -> None:
    assert quarantined_rows(shop) == {"one": 2, "two": 1}
    assert files_with(shop, OPEN) == {"one", "two"}
    assert files_with(shop, OPEN, "superseded") == {"one", "two", "old"}
    assert files_with(shop, REPLAYED) == set()


@pytest.mark.parametrize(
    ("choice", "accepted"),
    [
        (Choice(), {("one", 2), ("two", 7)}),
        (Choice(file="one.csv"), {("one", 2)}),
        (Choice(file="one.csv", lines=(2, 3)), {("one", 2)}),
        (Choice(rule=PRICE), {("one", 2), ("two", 7)}),
        (Choice(file="two.csv", rule=PRICE), {("two", 7)}),
    ],
    ids=str,
)
def test_the_open_rows_that_are_meant_and_can_be_published_are_accepted(
    shop: Lab, choice: Choice, accepted: set[tuple[str, int]]
) -> None:
    done = replay(shop, choice, by=" ann ")
    assert done["replayed"] == len(accepted)
    assert {key for key, state in states(shop).items() if state == (REPLAYED, "ann")} == accepted
    assert states(shop)["old", 2] == ("superseded", None)
    assert states(shop)["one", 3] == (OPEN, None)


def test_what_was_decided_stays_decided(shop: Lab) -> None:
    replay(shop, Choice(file="two.csv"), by="ann")
    replay(shop, Choice(), by="bob")
    assert states(shop)["two", 7] == (REPLAYED, "ann")
    assert states(shop)["one", 2] == (REPLAYED, "bob")


def test_the_program_ends_with_its_result(shop: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lab", str(shop.file), "--by", "ann", "--file", "one.csv"]) == 0
    result = json.loads(capsys.readouterr().out.removeprefix("RESULT "))
    refused = [{"file": "one.csv", "line": 3, "reasons": [PIECES, PRICE]}]
    assert result == {"replayed": 1, "files": ["one.csv"], "refused": refused}


def test_the_program_says_why_nothing_was_accepted(shop: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lab", str(shop.file), "--by", "ann", "--file", "one.csv", "--line", "3"]) == 4
    text = capsys.readouterr().err
    assert "one.csv, line 3: quantity_unreadable,unit_price_negative" in text
    assert "Send the file corrected" in text


@pytest.mark.parametrize("arguments", [["--by", "ann"], ["--by", "ann", "--line", "3"], ["--file", "one.csv"]])
def test_the_program_wants_to_know_which_rows_and_who(shop: Lab, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--lab", str(shop.file), *arguments])
    assert {state for state, _ in states(shop).values()} == {OPEN, "superseded"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"by": "ann"}, ["--by", "ann", "--all"]),
        ({"by": "ann", "rule": PRICE}, ["--by", "ann", "--rule", PRICE]),
        (
            {"by": "ann", "file": "a b.csv", "lines": (2, 3)},
            ["--by", "ann", "--file", "a b.csv", "--line", "2", "--line", "3"],
        ),
    ],
)
def test_the_command_is_what_the_program_takes(tmp_path: Path, asked: dict[str, Any], expected: list[str]) -> None:
    lab = lab_below(tmp_path)
    command = quarantine.replay_command(lab, **asked)
    assert command[:5] == [
        str(lab.environment("spark").python),
        "-m",
        "quintet.lakehouse.held",
        "--lab",
        str(lab.file),
    ]
    assert command[5:] == expected


def test_files_are_listed_by_rows_with_what_broke() -> None:
    later = AT.replace(hour=7)
    found = quarantine._files(
        [
            ["small.csv", 1, "open", PRICE, 3, 2, AT],
            ["big.csv", 2, "open", f"{PIECES},{PRICE}", 4, 7, later],
            ["big.csv", 2, "open", PRICE, 1, 31, AT],
            ["big.csv", 1, "superseded", PRICE, 9, 2, AT],
        ]
    )
    assert [(file.file, file.version, file.status, file.rows) for file in found] == [
        ("big.csv", 1, "superseded", 9),
        ("big.csv", 2, "open", 5),
        ("small.csv", 1, "open", 3),
    ]
    assert found[1].rules == {PRICE: 5, PIECES: 4}
    assert list(found[1].rules) == [PRICE, PIECES]
    assert (found[1].first_line, found[1].detected_at) == (7, AT)


def test_a_row_is_shown_as_received() -> None:
    received = ["536365", "85123A", None, "many", "2025-01-01 08:00:00", "2.55", None, "EIRE"]
    told = ["one.csv", 1, 3, date(2025, 1, 1), OPEN, f"{PIECES},{PRICE}", "run", AT, None]
    shown = quarantine._row([*told, *received])
    assert (shown.file, shown.line, shown.reasons) == ("one.csv", 3, (PIECES, PRICE))
    assert list(shown.received.values()) == received
    assert shown.received["quantity"] == "many"


def test_conditions_are_parameters_never_text() -> None:
    where, given = quarantine._where({"_source_file": "x' OR '1'='1", "_status": None, "contains(rules, ?)": PRICE})
    assert where == " WHERE _source_file = ? AND contains(rules, ?)"
    assert given == ["x' OR '1'='1", PRICE]


def test_without_trino_the_listing_says_so(lab: Lab) -> None:
    with pytest.raises(ServiceDownError, match="does not answer"):
        quarantine.list_files(lab)


def test_the_table_stays_free_of_features_that_one_engine_alone_writes(shop: Lab) -> None:
    replay(shop, Choice(), by="ann")
    protocol = DeltaTable(delta_path(shop, QUARANTINE)).protocol()
    assert (protocol.min_reader_version, protocol.writer_features) == (1, None)
