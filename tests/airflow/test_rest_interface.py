"""What the command asks of Airflow's REST API is in the API of the Airflow that is installed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_server import HEALTHY, OPEN, ROUTES, dag_run, task


def shape(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


#: The token comes from the login manager, which describes itself elsewhere.
ASKED = [(method, path) for method, path, _ in ROUTES if path != "/auth/token"]


@pytest.mark.parametrize(("method", "path"), ASKED, ids=lambda word: word)
def test_a_path_that_is_asked_exists(api: dict[str, Any], method: str, path: str) -> None:
    known = {shape(entry): methods for entry, methods in api["paths"].items()}
    assert method.lower() in known[shape(path)]


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        ("DAGRunResponse", dag_run("id", "running")),
        ("TaskInstanceResponse", task("id", "running")),
        ("DAGRunCollectionResponse", {"dag_runs", "total_entries"}),
        ("TaskInstanceCollectionResponse", {"task_instances", "total_entries"}),
        ("TaskInstancesLogResponse", {"content"}),
        ("TriggerDAGRunPostBody", {"logical_date", "conf"}),
        ("DAGPatchBody", {"is_paused"}),
        ("UpdateHITLDetailPayload", {"chosen_options", "params_input"}),
        ("HealthInfoResponse", HEALTHY),
    ],
)
def test_a_field_that_is_read_or_sent_exists(api: dict[str, Any], schema: str, fields: Any) -> None:
    assert set(fields) <= set(api["components"]["schemas"][schema]["properties"])


@pytest.mark.parametrize("path", ["/api/v2/dags/{}/dagRuns", "/api/v2/dags/{}/dagRuns/{}/taskInstances"])
def test_lists_are_read_by_limit_offset_and_order(api: dict[str, Any], path: str) -> None:
    (methods,) = [methods for entry, methods in api["paths"].items() if shape(entry) == path]
    assert {"limit", "offset", "order_by", "state"} <= {entry["name"] for entry in methods["get"]["parameters"]}


def test_the_states_that_are_told_apart_exist(api: dict[str, Any]) -> None:
    from quintet.runs import hold, run

    schemas = api["components"]["schemas"]
    assert hold.BUSY | hold.WAITING | set(hold.TELLING) <= set(schemas["TaskInstanceState"]["enum"])
    assert run.FINISHED | {"queued", "running"} == set(schemas["DagRunState"]["enum"])


def test_health_needs_no_login(api: dict[str, Any]) -> None:
    assert "security" not in api["paths"]["/api/v2/monitor/health"]["get"]
    assert "/api/v2/monitor/health" in OPEN
