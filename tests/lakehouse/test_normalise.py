"""From text to typed candidates, and which of them may be published."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from lines import bronze
from quintet.lakehouse.normalise import (
    PROVENANCE_COLUMNS,
    RAW_COLUMNS,
    accepted_lines,
    latest_versions,
    normalise,
    with_verdict,
)

#: Changes of a good line to the typed values that come of them.
TYPED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {},
        {
            "invoice_id": "536365",
            "product_id": "85123A",
            "customer_id": 17850,
            "is_guest": False,
            "quantity": 6,
            "unit_price_gbp": Decimal("2.5500"),
            "line_amount_gbp": Decimal("15.3000"),
            "invoiced_at": "2010-12-01 08:26:00",
            "trade_date": date(2010, 12, 1),
            "line_type": "sale",
        },
    ),
    ({"invoice_no": " c536365\t"}, {"invoice_id": "C536365"}),
    ({"stock_code": "\u00a085123a "}, {"product_id": "85123A"}),
    ({"stock_code": " "}, {"product_id": None}),
    ({"country": " EIRE "}, {"country": "EIRE"}),
    ({"description": " A  B\n C\u00a0D "}, {"description": "A B C D"}),
    ({"description": None}, {"description": None}),
    ({"customer_id": "17850"}, {"customer_id": 17850}),
    ({"customer_id": " 17850.00 "}, {"customer_id": 17850}),
    ({"customer_id": None}, {"customer_id": None, "is_guest": True}),
    ({"customer_id": "  "}, {"customer_id": None, "is_guest": True}),
    ({"customer_id": "17850.5"}, {"customer_id": None, "is_guest": False}),
    ({"customer_id": "unknown"}, {"customer_id": None, "is_guest": False}),
    ({"quantity": " -12 "}, {"quantity": -12}),
    ({"quantity": "6.0"}, {"quantity": None}),
    ({"quantity": "6e2"}, {"quantity": None}),
    ({"quantity": "six"}, {"quantity": None, "line_amount_gbp": None}),
    ({"quantity": "2147483648"}, {"quantity": None}),
    ({"unit_price": "2.5500000"}, {"unit_price_gbp": Decimal("2.5500")}),
    ({"unit_price": "2.55001"}, {"unit_price_gbp": None}),
    ({"unit_price": "-0.0010"}, {"unit_price_gbp": Decimal("-0.0010")}),
    ({"unit_price": "1e3"}, {"unit_price_gbp": None}),
    ({"unit_price": "2,55"}, {"unit_price_gbp": None}),
    ({"unit_price": "99999999999999"}, {"unit_price_gbp": Decimal("99999999999999.0000")}),
    (
        {"unit_price": "99999999999999", "quantity": "2147483647"},
        {"line_amount_gbp": None},  # more than the column holds: null, no error
    ),
    ({"invoice_date": "01/12/2010 08:26"}, {"invoiced_at": "2010-12-01 08:26:00"}),
    ({"invoice_date": " 2010-12-01 08:26:00 "}, {"invoiced_at": "2010-12-01 08:26:00"}),
    ({"invoice_date": "2010-02-30 08:26:00"}, {"invoiced_at": None, "trade_date": None}),
    ({"invoice_date": "31/31/2010"}, {"invoiced_at": None}),
    ({"invoice_date": "2010-12-01"}, {"invoiced_at": None}),
    ({"invoice_date": "2010-12-01T08:26:00"}, {"invoiced_at": None}),
    ({"invoice_date": "2010-3-28 01:30:00"}, {"invoiced_at": None}),
    # An hour that summer time skips in London is an hour like any other in UTC.
    ({"invoice_date": "2011-03-27 01:30:00"}, {"invoiced_at": "2011-03-27 01:30:00"}),
]

#: Changes of a good line to its kind, in the order of precedence.
KINDS = [
    ({}, "sale"),
    ({"quantity": "-6"}, "return"),
    ({"invoice_no": "C536365", "quantity": "-6"}, "return"),
    ({"stock_code": "POST"}, "fee"),
    ({"stock_code": "bank charges"}, "fee"),
    ({"stock_code": "gift_0001_20"}, "fee"),
    ({"stock_code": "POST", "quantity": "-1", "invoice_no": "C536365"}, "fee"),
    ({"stock_code": "DCGS0003"}, "sale"),
    ({"stock_code": "POSTAGE"}, "sale"),
    ({"stock_code": "B"}, "adjustment"),
    ({"invoice_no": "A563186", "quantity": "-1"}, "adjustment"),
    ({"invoice_no": "A563186", "stock_code": "POST"}, "adjustment"),
    ({"unit_price": "0.0", "customer_id": None}, "adjustment"),
    ({"unit_price": "0.0", "customer_id": None, "stock_code": "POST"}, "adjustment"),
    ({"unit_price": "0.0"}, "sale"),
    ({"customer_id": None}, "sale"),
    ({"invoice_no": None}, "sale"),
    ({"quantity": "six", "unit_price": "n/a"}, "sale"),
]


@pytest.fixture(scope="module")
def typed(spark: SparkSession) -> list[Row]:
    frame = normalise(bronze(spark, [change for change, _ in TYPED]))
    # As text: collected times are shown in the zone of this machine.
    texts = frame.withColumn("invoiced_at", F.col("invoiced_at").cast("string"))
    return sorted(texts.collect(), key=lambda row: row["_line_number"])


@pytest.mark.parametrize("place", range(len(TYPED)), ids=[str(change or "good") for change, _ in TYPED])
def test_text_becomes_typed_values_or_null(typed: list[Row], place: int) -> None:
    found = typed[place]
    assert {name: found[name] for name in TYPED[place][1]} == TYPED[place][1]


def test_columns_as_received_are_kept(spark: SparkSession) -> None:
    frame = normalise(bronze(spark, [{"quantity": " 6 "}]))
    assert frame.columns[:15] == [*PROVENANCE_COLUMNS, *RAW_COLUMNS]
    assert frame.first()["raw_quantity"] == " 6 "


def test_the_first_kind_that_applies_wins(spark: SparkSession) -> None:
    rows = sorted(
        normalise(bronze(spark, [change for change, _ in KINDS])).collect(), key=lambda row: row["_line_number"]
    )
    assert [row["line_type"] for row in rows] == [kind for _, kind in KINDS]


def test_old_versions_are_superseded_open_rows_are_held_and_replayed_ones_pass(spark: SparkSession) -> None:
    lines = bronze(
        spark,
        [
            {"_file_hash": "old"},
            {"_file_hash": "old"},
            {"_file_hash": "new", "_file_version": 2},
            {"_file_hash": "new", "_file_version": 2},
            {"_file_hash": "new", "_file_version": 2},
            {"_file_hash": "other", "_source_file": "2010-12-02.csv"},
        ],
    )
    quarantine = spark.createDataFrame(
        [
            ("old", 2, "superseded"),
            ("old", 3, "open"),
            ("new", 4, "open"),
            ("new", 5, "replayed"),
            ("other", 99, "open"),
        ],
        "_file_hash string, _line_number bigint, _status string",
    )
    candidates = normalise(lines)
    judged = with_verdict(candidates, latest_versions(lines), quarantine)
    assert {row["_line_number"]: row["_verdict"] for row in judged.collect()} == {
        2: "superseded",
        3: "superseded",
        4: "quarantined",
        5: "accepted",
        6: "accepted",
        7: "accepted",
    }
    accepted = accepted_lines(candidates, latest_versions(lines), quarantine)
    assert accepted.columns == candidates.columns
    assert sorted(row["_line_number"] for row in accepted.collect()) == [5, 6, 7]
