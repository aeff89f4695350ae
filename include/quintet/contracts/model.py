"""Contract files, read: the parts of the Open Data Contract Standard that the platform holds a producer to.

Source: Open Data Contract Standard 3.0.2, sections fundamentals, schema, team and service-level agreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from quintet.errors import InputError

__all__ = ["Contract", "Promise", "contracts_folder", "read_contract", "read_contracts"]

SUFFIX = ".odcs.yaml"
#: Major version of the standard.
_STANDARD = "v3."


@dataclass(frozen=True)
class Promise:
    """One column: its type by the lake's name, whether every record has it, its class of personal data."""

    name: str
    type: str
    description: str
    is_required: bool = False
    is_key: bool = False
    classification: str = "none"


@dataclass(frozen=True)
class Contract:
    """What one topic or table promises.

    `physical_name` is the topic, or the table as catalog.schema.table; `latency_seconds` what the service level says.
    """

    file: Path
    id: str
    version: str
    status: str
    owner: str
    domain: str
    purpose: str
    kind: str
    physical_name: str
    promises: tuple[Promise, ...]
    latency_seconds: float | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the columns that identify a row."""
        return tuple(promise.name for promise in self.promises if promise.is_key)


def contracts_folder() -> Path:
    """Folder of the contracts of this release, one folder a project."""
    return Path(__file__).resolve().parents[3] / "contracts"


def read_contracts(folder: Path | None = None) -> dict[str, Contract]:
    """All contracts below a folder, by the topic or table that they are about.

    Raises:
        InputError: a file is no contract, or two are about the same thing.

    """
    found: dict[str, Contract] = {}
    for file in sorted((folder or contracts_folder()).rglob(f"*{SUFFIX}")):
        contract = read_contract(file)
        if contract.physical_name in found:
            raise InputError(
                f"{file} and {found[contract.physical_name].file.name} are both about {contract.physical_name}",
                remedy="Remove one",
            )
        found[contract.physical_name] = contract
    return found


def read_contract(file: Path) -> Contract:
    """One contract.

    Raises:
        InputError: the file cannot be read, or lacks something; the message names it.

    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"the contract {file} cannot be read: {error}") from error
    try:
        return _contract(file, content)
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise InputError(
            f"the contract {file} lacks {str(error) or 'an owner'} or says it wrongly",
            remedy="See the contracts beside it; the standard is ODCS 3",
        ) from error


def _contract(file: Path, content: Mapping[str, Any]) -> Contract:
    if not str(content["apiVersion"]).startswith(_STANDARD) or content["kind"] != "DataContract":
        raise ValueError(f"apiVersion {_STANDARD}x and kind DataContract")
    (schema,) = content["schema"]
    agreed = {entry["property"]: entry["value"] for entry in content.get("slaProperties", [])}
    return Contract(
        file=file,
        id=content["id"],
        version=content["version"],
        status=content["status"],
        owner=next(member["username"] for member in content["team"] if member["role"] == "owner"),
        domain=content["domain"],
        purpose=content["description"]["purpose"],
        kind=schema["physicalType"],
        physical_name=schema["physicalName"],
        promises=tuple(_promise(entry) for entry in schema["properties"]),
        latency_seconds=float(agreed["latency"]) if "latency" in agreed else None,
    )


def _promise(entry: Mapping[str, Any]) -> Promise:
    return Promise(
        name=entry["name"],
        type=entry["physicalType"],
        description=entry["description"],
        is_required=bool(entry.get("required", False)),
        is_key=bool(entry.get("primaryKey", False)),
        classification=entry.get("classification", "none"),
    )
