"""Start a data product: contract, dbt model with its twin file and unit test, and its line in the catalogue.

What is made passes every check as it stands: the model hands on the columns of the mart it is made from. Its author
then changes the model, and the checks tell what else has to change.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from quintet.catalogue.gold import Mart, read_mart
from quintet.catalogue.model import Column, Pii
from quintet.errors import InputError
from quintet.products.model import FOLDER, SUFFIX

__all__ = ["start"]

_NAME = re.compile(r"[a-z][a-z0-9_]{2,50}")
_LOGICAL = {"string": "string", "long": "integer", "integer": "integer", "double": "number", "boolean": "boolean"}
#: A value of each type for the unit test, as dbt writes it in YAML.
_VALUES = {"string": "a", "long": 1, "integer": 1, "double": 0.5, "boolean": True, "date": "2025-01-02"}
_TRINO = {"string": "varchar", "long": "bigint", "timestamp": "timestamp(6)"}


def start(root: Path, name: str, *, domain: str, origin: str, project: str = "lakehouse") -> list[Path]:
    """Write the files of a new product; their paths. Nothing is overwritten.

    Args:
        root: the clone.
        name: of the product and its mart.
        domain: that answers for it.
        origin: mart that it is made from.
        project: slug of the project whose gold it is part of.

    Raises:
        InputError: the name is none, is taken, or there is no such mart.

    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"'{name}' is no name of a product", remedy="Lower case letters, digits and _, as weekly_sales"
        )
    marts = root / "dbt" / "models" / "marts" / project
    if not (marts / f"{origin}.yml").is_file():
        known = ", ".join(path.stem for path in sorted(marts.glob("*.sql")))
        raise InputError(f"there is no mart '{origin}' in {project}", remedy=f"It has: {known}")
    mart = read_mart(marts / f"{origin}.yml")
    texts = {
        root / "contracts" / FOLDER / f"{name}{SUFFIX}": _contract(name, domain, project, mart),
        marts / f"{name}.sql": _sql(mart),
        marts / f"{name}.yml": _twin(name, mart),
        marts / "unit_tests" / f"{name}.yml": _unit_test(name, mart),
    }
    taken = [path for path in texts if path.exists()]
    if taken:
        raise InputError(f"{taken[0]} is there already", remedy="Take another name")
    catalogue = root / "include" / "quintet" / "catalogue" / f"{project}.py"
    line = _with_line(catalogue.read_text(encoding="utf-8"), name, _description(name, mart), catalogue)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    catalogue.write_text(line, encoding="utf-8")
    return [*texts, catalogue]


def _with_line(text: str, name: str, description: str, path: Path) -> str:
    """The catalogue's file with one more gold table, after the last one."""
    last = text.rfind('        _gold("')
    if last < 0:
        raise InputError(f"{path} lists no gold table", remedy="Add the first one by hand")
    end = text.index("\n", last) + 1
    return f'{text[:end]}        _gold("{name}", "{description}"),\n{text[end:]}'


def _description(name: str, mart: Mart) -> str:
    return f"Data product {name}, made from {mart.name}"


def _sql(mart: Mart) -> str:
    columns = ",\n".join(f"    {column.name}" for column in mart.columns)
    return f"select\n{columns}\nfrom {{{{ ref('{mart.name}') }}}}\n"


def _twin(name: str, mart: Mart) -> str:
    columns: list[dict[str, Any]] = []
    for column in mart.columns:
        entry: dict[str, Any] = {
            "name": column.name,
            "data_type": _TRINO.get(column.type, column.type),
            "description": column.description,
        }
        if column.pii is not Pii.NONE:
            entry["config"] = {"meta": {"pii": column.pii.value}}
        if column.name in mart.key:
            entry["data_tests"] = ["unique", "not_null"] if len(mart.key) == 1 else ["not_null"]
        columns.append(entry)
    model: dict[str, Any] = {
        "name": name,
        "description": mart.description,
        "config": {"contract": {"enforced": True}, "meta": {"owner": mart.owner, "pii": mart.pii.value}},
    }
    if len(mart.key) > 1:
        model["data_tests"] = [{"unique_combination": {"arguments": {"columns": list(mart.key)}}}]
    return _yaml({"version": 2, "models": [{**model, "columns": columns}]})


def _unit_test(name: str, mart: Mart) -> str:
    row = {column.name: _value(column) for column in mart.columns}
    test = {
        "name": f"{name}_hands_on_every_column_of_{mart.name}",
        "model": name,
        "given": [{"input": f"ref('{mart.name}')", "rows": [row]}],
        "expect": {"rows": [row]},
    }
    return _yaml({"version": 2, "unit_tests": [test]})


def _contract(name: str, domain: str, project: str, mart: Mart) -> str:
    whole = [] if len(mart.key) == 1 else [_rule("unique_combination", "A row a key")]
    content = {
        "apiVersion": "v3.0.2",
        "kind": "DataContract",
        "id": f"{project}.{name}",
        "version": "1.0.0",
        "status": "draft",
        "domain": domain,
        "dataProduct": name,
        "description": {
            "purpose": mart.description,
            "usage": "Reports and models of other domains",
            "limitations": "Columns that are not named here may come and go",
        },
        "servers": [{"server": "lab", "type": "trino", "catalog": "iceberg", "schema": f"gold_{project}"}],
        "schema": [
            {
                "name": name,
                "physicalName": f"iceberg.gold_{project}.{name}",
                "physicalType": "table",
                "description": mart.description,
                **({"quality": whole} if whole else {}),
                "properties": [_promise(column, mart) for column in mart.columns],
            }
        ],
        "team": [{"username": mart.owner, "role": "owner"}],
        "roles": [{"role": "quintet", "access": "read", "description": "Everybody of the lab, through Trino"}],
        "support": [{"channel": mart.owner, "tool": "ticket", "scope": "issues"}],
        "slaProperties": [
            {"property": "freshness", "value": 48, "unit": "h", "element": "last trading day in the table"},
            {"property": "retention", "value": "unlimited", "element": "all rows"},
        ],
    }
    return _yaml(content)


def _promise(column: Column, mart: Mart) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": column.name,
        "logicalType": _LOGICAL.get(column.type, "number" if column.type.startswith("decimal") else "date"),
        "physicalType": column.type,
        "description": column.description.rstrip("."),
    }
    if column.name in mart.key:
        entry |= {"primaryKey": True, "primaryKeyPosition": mart.key.index(column.name) + 1, "required": True}
        entry["quality"] = [_rule("not_null", "Every row has it")]
        if len(mart.key) == 1:
            entry["quality"].append(_rule("unique", "One row each"))
    if column.pii is not Pii.NONE:
        entry["classification"] = column.pii.value
    return entry


def _rule(test: str, description: str) -> dict[str, str]:
    return {"type": "custom", "engine": "dbt", "implementation": test, "description": description}


def _value(column: Column) -> Any:
    if column.type.startswith("decimal"):
        return 1.5
    return _VALUES.get(column.type, "2025-01-02 03:04:05")


def _yaml(content: Any) -> str:
    class Indented(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    text: str = yaml.dump(content, Dumper=Indented, sort_keys=False, allow_unicode=True, width=110)
    return text
