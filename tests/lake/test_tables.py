"""Tables are created once, with the declared schema, and gain the columns that the catalogue gains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from paths import ROOT
from quintet.catalogue import Column
from quintet.catalogue.lakehouse import DAY_BALANCE, INVOICE_LINES, INVOICE_LINES_RAW
from quintet.errors import LabError
from quintet.lake.create import create_tables
from quintet.lake.tables import arrow_schema, create_empty, declared_schema, delta_path, delta_tables, delta_uri
from quintet.settings import Lab


def test_every_delta_table_of_the_catalogue_is_created_empty_with_its_declared_schema(lab: Lab) -> None:
    created = create_tables(lab, trino=False)["created"]
    assert created == [table.full_name for table in delta_tables()]
    for table in delta_tables():
        found = DeltaTable(delta_path(lab, table))
        assert found.count() == 0
        assert found.schema().to_json() == declared_schema(table).to_json()


def test_creating_again_changes_nothing(lab: Lab) -> None:
    create_tables(lab, trino=False)
    assert create_tables(lab, trino=False) == {"created": [], "registered": []}
    assert {DeltaTable(delta_path(lab, table)).version() for table in delta_tables()} == {0}


def test_types_reach_arrow_as_declared() -> None:
    schema = arrow_schema(INVOICE_LINES)
    assert schema.field("unit_price_gbp").type == pa.decimal128(18, 4)
    assert schema.field("invoiced_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("trade_date").type == pa.date32()
    assert not schema.field("invoice_line_id").nullable
    assert schema.field("customer_id").nullable


def test_the_description_of_a_column_is_its_comment_in_delta(lab: Lab) -> None:
    create_empty(lab, INVOICE_LINES_RAW)
    field = next(field for field in DeltaTable(delta_path(lab, INVOICE_LINES_RAW)).schema().fields)
    assert field.metadata == {"comment": INVOICE_LINES_RAW.columns[0].description}


def test_the_location_is_a_file_uri_below_the_lake(lab: Lab) -> None:
    assert delta_uri(lab, DAY_BALANCE) == f"file://{lab.path('lake')}/delta/silver_lakehouse/day_balance"


def test_a_new_nullable_column_of_the_catalogue_is_added_to_a_table_with_rows(lab: Lab) -> None:
    create_empty(lab, DAY_BALANCE)
    samples = {pa.string(): "x", pa.int64(): 1, pa.bool_(): True}
    row = {field.name: [samples.get(field.type)] for field in arrow_schema(DAY_BALANCE)}
    write_deltalake(delta_path(lab, DAY_BALANCE), pa.table(row, schema=arrow_schema(DAY_BALANCE)), mode="append")
    wider = replace(DAY_BALANCE, columns=(*DAY_BALANCE.columns, Column("note", "string", "A remark")))
    assert not create_empty(lab, wider)
    (found,) = pa.table(DeltaTable(delta_path(lab, wider)).scan()).to_pylist()
    assert found["note"] is None
    assert found["bronze_rows"] == 1


@pytest.mark.parametrize(
    "columns",
    [
        (replace(DAY_BALANCE.columns[0], type="long"), *DAY_BALANCE.columns[1:]),
        (*DAY_BALANCE.columns, Column("must", "string", "Required", nullable=False)),
        DAY_BALANCE.columns[1:],
    ],
    ids=["changed type", "new required column", "dropped column"],
)
def test_a_table_that_differs_otherwise_is_refused_with_the_columns(lab: Lab, columns: tuple[Column, ...]) -> None:
    create_empty(lab, DAY_BALANCE)
    with pytest.raises(LabError, match=r"day_balance at .* differs from the catalogue in: (source_file|must)\..*reset"):
        create_empty(lab, replace(DAY_BALANCE, columns=columns))


def test_the_program_prints_what_it_created_as_its_last_line(lab: Lab) -> None:
    command = [sys.executable, "-m", "quintet.lake.create", "--lab", str(lab.file), "--no-trino"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "include")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    result = json.loads(done.stdout.splitlines()[-1].removeprefix("RESULT "))
    assert len(result["created"]) == len(delta_tables())
    assert result["registered"] == []


def test_the_program_says_when_trino_does_not_answer(lab: Lab) -> None:
    command = [sys.executable, "-m", "quintet.lake.create", "--lab", str(lab.file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "include")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 6
    assert "Trino does not answer at 127.0.0.1:1" in done.stderr
    assert "quintet doctor" in done.stderr
