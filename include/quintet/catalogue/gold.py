"""Columns, keys and tests of gold tables, read from the twin files of the dbt marts.

Gold is declared once, in dbt; the catalogue only lists its names. This reader needs nothing but pyyaml, so that the
command line and the page Lab can show gold's columns without dbt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from quintet.catalogue.model import Column, Pii, Table
from quintet.errors import QuintetError

__all__ = ["Mart", "described", "read_mart", "read_marts"]

#: Trino's name of a type to the catalogue's; decimals and the rest are called the same.
_TYPES = {"varchar": "string", "bigint": "long", "timestamp(6)": "timestamp"}


@dataclass(frozen=True)
class Mart:
    """What the twin file of a mart declares."""

    name: str
    description: str
    owner: str
    pii: Pii
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    is_enforced: bool


def read_marts(folder: Path) -> tuple[Mart, ...]:
    """All marts of a folder that have an SQL file, by name.

    Raises:
        QuintetError: a mart has no twin file, or the twin declares something else.

    """
    return tuple(read_mart(path.with_suffix(".yml")) for path in sorted(folder.glob("*.sql")))


def read_mart(path: Path) -> Mart:
    """Mart that a twin file declares.

    Raises:
        QuintetError: the file is missing, is no YAML, or does not declare exactly the model it is named for.

    """
    model = _model(path)
    config = model.get("config", {})
    meta = config.get("meta", {})
    entries: list[Mapping[str, Any]] = model.get("columns", [])
    key = _key(model, entries)
    try:
        return Mart(
            name=model["name"],
            description=model["description"],
            owner=meta["owner"],
            pii=Pii(meta["pii"]),
            columns=tuple(_column(entry, key) for entry in entries),
            key=key,
            is_enforced=config.get("contract", {}).get("enforced") is True,
        )
    except KeyError as error:
        raise QuintetError(f"{path}: {error} is not declared", remedy="Every mart and column declares it") from error
    except ValueError as error:
        raise QuintetError(f"{path}: {error}", remedy="pii is one of none, indirect, direct") from error


def described(table: Table, marts: Path) -> Table:
    """The catalogue's entry of a gold table with the columns and the key that its mart declares.

    Raises:
        QuintetError: see read_mart.

    """
    mart = read_mart(marts / table.project / f"{table.name}.yml")
    return replace(table, columns=mart.columns, key=mart.key)


def _model(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise QuintetError(f"{path} does not exist", remedy="Every mart has a twin file of its name") from error
    except yaml.YAMLError as error:
        raise QuintetError(f"{path} is no YAML: {error}", remedy="Correct the file") from error
    models = content.get("models", []) if isinstance(content, Mapping) else []
    if [model.get("name") for model in models] != [path.stem]:
        raise QuintetError(f"{path} does not declare exactly the model '{path.stem}'", remedy="One mart, one twin file")
    found: Mapping[str, Any] = models[0]
    return found


def _column(entry: Mapping[str, Any], key: Iterable[str]) -> Column:
    declared = str(entry["data_type"])
    return Column(
        name=entry["name"],
        type=_TYPES.get(declared, declared),
        description=entry["description"],
        pii=Pii(entry.get("config", {}).get("meta", {}).get("pii", Pii.NONE)),
        nullable=entry["name"] not in key,
    )


def _key(model: Mapping[str, Any], columns: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The column tested as unique, else the tested combination, else nothing."""
    for entry in columns:
        if "unique" in entry.get("data_tests", []):
            return (str(entry["name"]),)
    for test in model.get("data_tests", []):
        if isinstance(test, Mapping) and "unique_combination" in test:
            return tuple(test["unique_combination"]["arguments"]["columns"])
    return ()
