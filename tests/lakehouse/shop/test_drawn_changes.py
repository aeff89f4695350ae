"""Thousands of changes merged at once, many of the same rows: what comes out follows from them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pyspark", reason="the spark environment has it")

from paths import ROOT
from quintet.catalogue.shop import ORDERS, SHOP_CHANGES
from quintet.cdc.merge import merge, waiting
from quintet.settings import Lab, read_lab

sys.path.append(str(ROOT / "tests" / "benchmarks"))
import shop_changes
import yaml

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS, CHANGES = 20_000, 6000


@pytest.fixture
def lab(spark_lab: Lab) -> Iterator[Lab]:
    with shop_changes.registry() as port:
        content = yaml.safe_load(spark_lab.file.read_text(encoding="utf-8"))
        content["endpoints"]["registry"] = {"host": "127.0.0.1", "port": port, "scheme": "http"}
        spark_lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
        yield read_lab(spark_lab.file)


@pytest.mark.parametrize("spread", shop_changes.SPREADS)
def test_drawn_changes_give_the_rows_that_follow_from_them(lab: Lab, spark: SparkSession, spread: str) -> None:
    shop_changes.write_copy(lab, ROWS)
    changes = shop_changes.make_changes(ROWS, CHANGES, spread)
    up_to = shop_changes.land(lab, changes)
    assert waiting(lab, SHOP_CHANGES, [shop_changes.COPY]) == CHANGES
    done = merge(spark, lab, ORDERS, SHOP_CHANGES, shop_changes.COPY, up_to=up_to)
    assert shop_changes.state(lab) == changes.expected()
    assert done.changes == CHANGES
    assert done.inserted + done.updated + done.deleted == changes.distinct
    assert merge(spark, lab, ORDERS, SHOP_CHANGES, shop_changes.COPY, up_to=up_to).changes == 0
