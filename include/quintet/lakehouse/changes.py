"""Whether a layer has something to do: the versions of the tables it reads, against those it was last built from.

A run that failed half way recorded nothing, so the next one finds the same changes again, whoever triggers it.
The note lies with the data (`<data>/runs/lakehouse/`), is replaced at once, and names each table by its identity and
the version that brought its rows: an emptied or restored table is another one, a compacted one is not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from quintet.catalogue import Layer, Table
from quintet.catalogue.lakehouse import CUSTOMERS, FILE_TABLES, INVOICE_LINES, PRODUCTS, QUARANTINE, SLUG
from quintet.catalogue.shop import SHOP, delta_copy
from quintet.errors import QuintetError
from quintet.settings import Lab, lab_of

__all__ = ["find_changes", "record"]

#: Tables that a layer is built from. What a person decides on quarantined rows is input of silver; those of gold are
#: the sources of the dbt project.
_INPUTS: dict[str, tuple[Table, ...]] = {
    Layer.SILVER: (*FILE_TABLES, QUARANTINE),
    Layer.GOLD: (INVOICE_LINES, CUSTOMERS, PRODUCTS, delta_copy(SHOP.table("orders"))),
}
#: Gold is cheap to build anew and its models are code: another release counts as a change.
_CODE = "release"


def find_changes(layer: str, *, asked_for: str | bool = "", lab_file: str | None = None) -> dict[str, Any]:
    """Compare the inputs of a layer (silver or gold) with the note of its last good build.

    `asked_for`: anything but empty, "False" or False says that a person wants it built whatever has changed.

    Returns {"changed": bool, "tables": [changed ones], "versions": {name: version}}; `record` takes it all.
    """
    lab = lab_of(lab_file)
    versions = {table.full_name: _version(lab, table) for table in _inputs(layer)}
    if layer == Layer.GOLD:
        versions[_CODE] = lab.path("app").resolve().name
    known = _read(_note(lab, layer))
    changed = sorted(name for name, version in versions.items() if known.get(name) != version)
    wanted = str(asked_for).strip() not in {"", "False", "None"}
    return {"changed": wanted or bool(changed), "tables": changed, "versions": versions}


def record(layer: str, found: dict[str, Any], *, lab_file: str | None = None) -> dict[str, Any]:
    """Note what a layer has been built from, as `find_changes` had found it before; {"layer", "versions"}."""
    _inputs(layer)
    versions = found["versions"]
    path = _note(lab_of(lab_file), layer)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(versions, indent=1, sort_keys=True), encoding="utf-8")
    part.replace(path)
    return {"layer": layer, "versions": versions}


def _inputs(layer: str) -> tuple[Table, ...]:
    try:
        return _INPUTS[layer]
    except KeyError:
        raise QuintetError(f"there is no layer '{layer}' that is built", remedy="Name silver or gold") from None


def _version(lab: Lab, table: Table) -> str:
    from deltalake import DeltaTable  # not at the top: `record` needs none of it

    from quintet.lake.deltaversions import row_version
    from quintet.lake.tables import delta_path

    identity = DeltaTable(delta_path(lab, table)).metadata().id
    return f"{identity}@{row_version(lab, table)}"


def _note(lab: Lab, layer: str) -> Path:
    return lab.path("data") / "runs" / SLUG / f"{layer}_built_from.json"


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
