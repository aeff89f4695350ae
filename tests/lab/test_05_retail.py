"""Project lakehouse over the real retail days."""

from __future__ import annotations

import json

import pytest
from tests.lab.conftest import LabUnderTest

from paths import retail_days

pytestmark = pytest.mark.lab


def test_the_real_days_come_out_with_the_known_facts(installed: LabUnderTest) -> None:
    days = retail_days()
    if days is None:
        pytest.skip("the real days are not on this machine")
    done = json.loads(installed.quintet("run", "lakehouse", "--fresh", "--input", str(days), "--json").stdout)
    assert done["state"] == "success"
    assert done["peak_memory_mb"] < 8192
    report = json.loads(installed.quintet("verify", "lakehouse", "--json").stdout)
    assert [check for check in report["checks"] if not check["ok"]] == []
    found = {check["name"]: str(check["actual"]) for check in report["checks"]}
    assert {name: found[name] for name in ("bronze_lines", "exact_duplicates", "customers", "net_value_gbp")} == {
        "bronze_lines": "541909",
        "exact_duplicates": "5268",
        "customers": "4372",
        "net_value_gbp": "9747747.934",
    }
    errors = installed.sql(
        "select method, sum(customers * mean_absolute_error_gbp) as error "
        "from iceberg.gold_lakehouse.customer_value_backtest group by 1"
    )
    assert len(errors) == 3
    assert min(errors, key=lambda row: float(row["error"]))["method"] == "decayed spend"
