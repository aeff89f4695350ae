"""The project `lakehouse` on five nodes: written by Spark's workers, read through Trino's, and right."""

from __future__ import annotations

import json

import pytest
from tests.compose.nodes import Nodes

pytestmark = pytest.mark.compose

DAYS, SEED = "10", "11"


@pytest.fixture(scope="module")
def outcome(nodes: Nodes) -> dict[str, object]:
    nodes.quintet("generate", "lakehouse", "--days", DAYS, "--seed", SEED, "--out", "/srv/quintet/data/input/shop")
    told: dict[str, object] = json.loads(
        nodes.quintet("run", "lakehouse", "--fresh", "--input", "/srv/quintet/data/input/shop", "--json")
    )
    return told


def test_a_run_ends_well_and_its_tables_are_as_the_truth_says(nodes: Nodes, outcome: dict[str, object]) -> None:
    assert outcome["state"] == "success"
    checks = json.loads(nodes.quintet("verify", "lakehouse", "--json"))["checks"]
    assert checks
    assert [check for check in checks if not check["ok"]] == []


def test_trino_reads_through_its_workers_what_spark_wrote_on_its_workers(
    nodes: Nodes, outcome: dict[str, object]
) -> None:
    (row,) = nodes.sql("select count(*) as n from delta.silver_lakehouse.invoice_lines")
    assert row["n"] > 0
    latest = nodes.get("spark_history", "/api/v1/applications?limit=1")[0]["id"]
    executors = nodes.get("spark_history", f"/api/v1/applications/{latest}/allexecutors")
    hosts = {entry["hostPort"].split(":")[0] for entry in executors if entry["id"] != "driver" and entry["totalTasks"]}
    known = nodes.lab_files["cpu-node1"]["nodes"].values()
    assert hosts
    assert hosts <= {entry["address"] for entry in known if "spark-worker" in entry["services"]}
