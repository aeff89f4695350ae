"""Data products, read from their contracts in `contracts/products`.

A product is a contract (see `quintet.contracts`) that also says what quality its rows are held to, how old they may be
and who may read them.

Source: Open Data Contract Standard 3.0.2, sections data quality, roles and service-level agreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from quintet.contracts import Contract, contracts_folder, read_contract
from quintet.errors import InputError

__all__ = ["FOLDER", "SUFFIX", "Access", "Product", "Rule", "read_product", "read_products"]

#: Below the folder of the contracts.
FOLDER = "products"
SUFFIX = ".odcs.yaml"


@dataclass(frozen=True)
class Rule:
    """One check of quality: the test of dbt that holds it, over one column or the whole table."""

    test: str
    column: str | None
    description: str


@dataclass(frozen=True)
class Access:
    """Who may do what."""

    role: str
    access: str
    description: str


@dataclass(frozen=True)
class Product:
    """One data product; `age_hours` is how old its rows may be."""

    name: str
    contract: Contract
    rules: tuple[Rule, ...]
    access: tuple[Access, ...]
    age_hours: float
    support: str

    @property
    def table(self) -> str:
        """Name of its table in Trino."""
        return self.contract.physical_name

    def as_json(self) -> dict[str, Any]:
        """What people ask for, for programs."""
        contract = self.contract
        return {
            "product": self.name,
            "domain": contract.domain,
            "owner": contract.owner,
            "table": self.table,
            "version": contract.version,
            "status": contract.status,
            "purpose": contract.purpose,
            "age_hours": self.age_hours,
            "columns": len(contract.promises),
            "quality": [rule.test if rule.column is None else f"{rule.test} ({rule.column})" for rule in self.rules],
            "access": [f"{access.role}: {access.access}" for access in self.access],
            "support": self.support,
        }


def read_products(folder: Path | None = None) -> tuple[Product, ...]:
    """All products of a folder of contracts, by domain and name.

    Raises:
        InputError: a file is no contract of a product.

    """
    files = sorted(((folder or contracts_folder()) / FOLDER).glob(f"*{SUFFIX}"))
    return tuple(sorted(map(read_product, files), key=lambda product: (product.contract.domain, product.name)))


def read_product(file: Path) -> Product:
    """One product.

    Raises:
        InputError: the file is no contract, or lacks what makes a product; the message names it.

    """
    contract = read_contract(file)
    content: Mapping[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    try:
        (schema,) = content["schema"]
        rules = [_rule(entry, None) for entry in schema.get("quality", [])]
        rules += [
            _rule(entry, column["name"]) for column in schema["properties"] for entry in column.get("quality", [])
        ]
        levels = {entry["property"]: entry for entry in content["slaProperties"]}
        freshness = levels["freshness"]
        if freshness["unit"] != "h":
            raise ValueError("freshness in hours (unit: h)")
        product = Product(
            name=file.name.removesuffix(SUFFIX),
            contract=contract,
            rules=tuple(rules),
            access=tuple(
                Access(role["role"], role["access"], role.get("description", "")) for role in content["roles"]
            ),
            age_hours=float(freshness["value"]),
            support=content["support"][0]["channel"],
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"the contract {file} lacks {error}, which every data product has",
            remedy="See the products beside it, or make one with: quintet product new",
        ) from error
    if content.get("dataProduct") != product.name:
        raise InputError(f"{file}: dataProduct is not '{product.name}'", remedy="Name the file after its product")
    return product


def _rule(entry: Mapping[str, Any], column: str | None) -> Rule:
    if entry["type"] != "custom" or entry["engine"] != "dbt":
        raise ValueError("quality rules of type custom with the engine dbt")
    return Rule(entry["implementation"], column, entry["description"])
