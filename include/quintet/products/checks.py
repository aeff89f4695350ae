"""Data products against what is there: the table of the catalogue, the model of dbt and its tests.

Run by `quintet product check` and by the tests: a change of a mart that breaks a product's contract is refused before
it is deployed, with the owner named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from quintet import catalogue
from quintet.catalogue.gold import described, read_mart
from quintet.catalogue.model import Layer, Table
from quintet.errors import QuintetError
from quintet.products.model import Product, Rule

__all__ = ["breaches"]


def breaches(product: Product, root: Path) -> list[str]:
    """What the platform does otherwise than the product's contract says; empty when it is kept.

    Args:
        product: the product.
        root: clone or release with the folder `dbt`.

    """
    try:
        table = catalogue.table(product.table)
    except QuintetError:
        return [f"its table {product.table} is not in the catalogue"]
    marts = root / "dbt" / "models" / "marts"
    whole = described(table, marts) if table.layer is Layer.GOLD else table
    found = _against_table(product, whole)
    if table.layer is not Layer.GOLD:
        return [*found, f"{table.full_name} is no gold table: only gold is promised to others"]
    twin = marts / table.project / f"{table.name}.yml"
    if not read_mart(twin).is_enforced:
        found.append(f"dbt does not enforce the columns of {table.name} (contract: {{enforced: true}})")
    return found + _against_tests(product, yaml.safe_load(twin.read_text(encoding="utf-8"))["models"][0])


def _against_table(product: Product, table: Table) -> list[str]:
    contract = product.contract
    found = []
    if contract.owner != table.owner:
        found.append(f"its owner is {contract.owner}, that of {table.full_name} is {table.owner}")
    if set(contract.key) != set(table.key):
        found.append(f"its key is {_list(contract.key)}, that of {table.full_name} is {_list(table.key)}")
    promised = {promise.name: (promise.type, promise.classification) for promise in contract.promises}
    declared = {column.name: (column.type, column.pii.value) for column in table.columns}
    for name in promised:
        if name not in declared:
            found.append(f"{name} is promised and {table.full_name} has no such column")
        elif promised[name] != declared[name]:
            said, is_now = " ".join(promised[name]), " ".join(declared[name])
            found.append(f"{name} is promised as {said} and is {is_now}")
    # A column that is not promised may come: readers are told by the contract's next version.
    return found


def _against_tests(product: Product, model: Mapping[str, Any]) -> list[str]:
    if not product.rules:
        return ["it names no rule of quality"]
    whole = set(_names(model.get("data_tests", [])))
    columns = {column["name"]: set(_names(column.get("data_tests", []))) for column in model["columns"]}
    return [
        f"its rule {rule.test}{_on(rule)} is no test of dbt's model {model['name']}"
        for rule in product.rules
        if rule.test not in (whole if rule.column is None else columns.get(rule.column, ()))
    ]


def _names(tests: Iterable[Any]) -> Iterable[str]:
    return [test if isinstance(test, str) else next(iter(test)) for test in tests]


def _on(rule: Rule) -> str:
    return f" on {rule.column}" if rule.column else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
