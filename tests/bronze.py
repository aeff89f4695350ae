"""Builders of invoice files, and views of what landed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from paths import ROOT
from quintet.catalogue import Table
from quintet.catalogue.lakehouse import FILES, INVOICE_LINES_RAW
from quintet.lake.create import create_tables
from quintet.lake.tables import delta_path
from quintet.settings import Lab

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def line(number: int = 1, *, description: str = "LANTERN", country: str = "United Kingdom") -> str:
    """One good record."""
    return f"{536365 + number},85123A,{description},6,2010-12-01 08:26:00,2.55,17850.0,{country}"


def text(lines: Iterable[str]) -> str:
    """A whole file."""
    return "\n".join([HEADER, *lines, ""])


def write_day(folder: Path, name: str, lines: Iterable[str]) -> Path:
    """Write one file of invoice lines."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text(lines).encode())
    return path


def with_tables(lab: Lab) -> Lab:
    """The lab with its empty Delta tables."""
    create_tables(lab, trino=False)
    return lab


def rows(lab: Lab, table: Table = INVOICE_LINES_RAW) -> list[dict[str, Any]]:
    """All rows of a table, in the order of file and line."""
    found: list[dict[str, Any]] = pa.table(DeltaTable(delta_path(lab, table)).scan()).to_pylist()
    return sorted(found, key=lambda row: (row["_source_file"], row["_file_version"], row.get("_line_number", 0)))


def ledger(lab: Lab) -> list[dict[str, Any]]:
    """All rows of the ledger."""
    return rows(lab, FILES)


def in_another_process(program: str, *arguments: object, expect: int = 0) -> str:
    """Run a program text in a fresh interpreter; its output, errors included."""
    paths = os.pathsep.join([str(ROOT / "include"), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, f"ended with {done.returncode}, not {expect}:\n{done.stdout}"
    return done.stdout
