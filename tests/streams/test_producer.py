"""A producer is refused before anything leaves it."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fastavro", reason="the streaming environment has it")
from test_registry import streaming_lab

from paths import ROOT
from quintet.catalogue import topic
from quintet.contracts import ContractError, read_contract
from quintet.errors import ServiceDownError
from quintet.settings import Lab
from quintet.streams.producer import ContractedProducer

CONTRACT = read_contract(ROOT / "contracts" / "lakehouse" / "order_lines_changes.odcs.yaml")
TOPIC = topic("lakehouse.order_lines.changes")
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}


def schema(**changed: Any) -> dict[str, Any]:
    types: dict[str, Any] = {
        "order_id": "long",
        "line_number": "int",
        "product_code": "string",
        "quantity": "int",
        "unit_price": PRICE,
        **changed,
    }
    fields = [{"name": name, "type": kind} for name, kind in types.items() if kind is not None]
    return {"type": "record", "name": "Line", "fields": fields}


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"quantity": None}, "the required column quantity is missing"), ({"quantity": "string"}, "quantity is string")],
)
def test_a_schema_below_the_contract_is_refused_without_asking_anybody(
    lab: Lab, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(ContractError, match=f"{told}.* Owner: shop-backend"):
        ContractedProducer(lab, TOPIC, CONTRACT, schema(**changed))


def test_a_schema_that_holds_goes_to_the_registry(lab: Lab) -> None:
    with pytest.raises(ServiceDownError, match="the schema registry does not answer"):
        ContractedProducer(streaming_lab(lab, port=1), TOPIC, CONTRACT, schema())
