"""OpenLineage events: a flow as an event, and an event as a flow.

Source: OpenLineage specification 2-0-2 (RunEvent, JobEvent) with the facets columnLineage 1-2-0, parent 1-1-0,
documentation 1-0-0, ownership 1-0-1 and jobType 2-0-3.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quintet.lineage.errors import EventError
from quintet.lineage.model import Flow, Kind, Link
from quintet.lineage.names import NAMESPACE, canonical

__all__ = ["Told", "event_id", "job_event", "read_event", "run_event"]

PRODUCER = "https://quintet.example/lineage"
_SPEC = "https://openlineage.io/spec"
#: Kinds of the specification to ours; (type, subtype) as OpenLineage has them.
_SPELLED = {
    Kind.IDENTITY: ("DIRECT", "IDENTITY"),
    Kind.TRANSFORMATION: ("DIRECT", "TRANSFORMATION"),
    Kind.AGGREGATION: ("DIRECT", "AGGREGATION"),
    Kind.INDIRECT: ("INDIRECT", "FILTER"),
}
_STRENGTH = [Kind.AGGREGATION, Kind.TRANSFORMATION, Kind.IDENTITY, Kind.INDIRECT]


@dataclass(frozen=True)
class Told:
    """One event, read: `state` is None for one about the code alone; `parent` is `<dag>.<task>` where it is known."""

    id: str
    at: datetime
    state: str | None
    run_id: str | None
    flow: Flow
    parent: str | None = None
    parent_run: str | None = None


def run_event(flow: Flow, *, state: str = "COMPLETE", at: datetime | None = None, run: str | None = None) -> Any:
    """Event of a run that has just done this; who started it is read from Airflow's variables."""
    moment = (at or datetime.now(UTC)).isoformat()
    facets: dict[str, Any] = {}
    dag, task = os.environ.get("AIRFLOW_CTX_DAG_ID"), os.environ.get("AIRFLOW_CTX_TASK_ID")
    dag_run = os.environ.get("AIRFLOW_CTX_DAG_RUN_ID", "")
    if dag and task:
        facets["parent"] = {
            **_facet("ParentRunFacet", "1-1-0"),
            "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}:{dag}:{dag_run}"))},
            "job": {"namespace": NAMESPACE, "name": f"{dag}.{task}"},
        }
        facets["airflow_run"] = {**_facet("AirflowRunFacet", "1-0-0"), "dagRunId": dag_run}
    return {
        **_event(flow, moment),
        "eventType": state,
        "run": {"runId": run or str(uuid.uuid4()), "facets": facets},
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def job_event(flow: Flow, *, at: datetime | None = None) -> Any:
    """Event about the code: what the job will do when it runs."""
    return {
        **_event(flow, (at or datetime.now(UTC)).isoformat()),
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/JobEvent",
    }


def event_id(event: Mapping[str, Any]) -> str:
    """Hash of an event: the same event, sent twice, is one."""
    return hashlib.sha256(json.dumps(event, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_event(event: Any, lake: Path) -> Told:
    """What an event tells.

    Raises:
        EventError: it is none; the message names what is missing or wrong.

    """
    try:
        job = event["job"]
        run = event.get("run") or {}
        facets = run.get("facets") or {}
        flow = _flow(event, lake)
        parent = facets.get("parent", {}).get("job", {})
        return Told(
            id=event_id(event),
            at=_time(event["eventTime"]),
            state=event["eventType"] if run else None,
            run_id=run.get("runId"),
            flow=flow,
            parent=parent.get("name") if job["name"] != parent.get("name") else None,
            parent_run=facets.get("airflow_run", {}).get("dagRunId"),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise EventError(
            f"this is no OpenLineage event: {type(error).__name__} {error}",
            remedy="It needs eventTime, job.namespace and job.name; a run event also eventType and run.runId",
        ) from error


def _event(flow: Flow, moment: str) -> dict[str, Any]:
    facets: dict[str, Any] = {
        "jobType": {
            **_facet("JobTypeJobFacet", "2-0-3"),
            "processingType": "STREAMING" if flow.engine == "flink" else "BATCH",
            "integration": flow.engine.upper(),
            "jobType": "JOB",
        }
    }
    if flow.description:
        facets["documentation"] = {**_facet("DocumentationJobFacet", "1-0-0"), "description": flow.description}
    if flow.owner:
        facets["ownership"] = {**_facet("OwnershipJobFacet", "1-0-1"), "owners": [{"name": flow.owner, "type": "team"}]}
    return {
        "eventTime": moment,
        "producer": PRODUCER,
        "job": {"namespace": NAMESPACE, "name": flow.job, "facets": facets},
        "inputs": [_input(flow, name) for name in sorted(set(flow.inputs))],
        "outputs": [_output(flow, name) for name in sorted(set(flow.outputs))],
    }


def _input(flow: Flow, name: str) -> dict[str, Any]:
    told: dict[str, Any] = {"namespace": NAMESPACE, "name": name, "facets": {}}
    if name in flow.parts:
        told["inputFacets"] = {
            "subset": {
                **_facet("InputSubsetInputDatasetFacet", "1-0-0"),
                "inputCondition": {"type": "location", "locations": list(flow.parts[name])},
            }
        }
    return told


def _output(flow: Flow, name: str) -> dict[str, Any]:
    mine = sorted((link for link in set(flow.links) if link.target == name), key=_order)
    fields: dict[str, Any] = {}
    for link in mine:
        if link.target_column is not None:
            fields.setdefault(link.target_column, {"inputFields": []})["inputFields"].append(_input_field(link))
    whole = [_input_field(link) for link in mine if link.target_column is None]
    facets: dict[str, Any] = {}
    if mine:
        facets["columnLineage"] = {
            **_facet("ColumnLineageDatasetFacet", "1-2-0"),
            "fields": fields,
            "dataset": whole,
        }
    if flow.opaque:
        facets["quintet_opaque"] = {**_facet("OpaqueColumns", "1-0-0"), "columns": dict(sorted(flow.opaque.items()))}
    return {"namespace": NAMESPACE, "name": name, "facets": facets}


def _order(link: Link) -> tuple[str, str, str, str]:
    return link.target_column or "", link.source, link.source_column, link.kind


def _input_field(link: Link) -> dict[str, Any]:
    kind, subtype = _SPELLED[link.kind]
    return {
        "namespace": NAMESPACE,
        "name": link.source,
        "field": link.source_column,
        "transformations": [{"type": kind, "subtype": subtype}],
    }


def _facet(name: str, version: str) -> dict[str, str]:
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json"}


def _flow(event: Mapping[str, Any], lake: Path) -> Flow:
    job = event["job"]
    facets = job.get("facets") or {}
    outputs = list(event.get("outputs") or [])
    links: list[Link] = []
    opaque: dict[str, str] = {}
    for output in outputs:
        target = canonical(output["namespace"], output["name"], lake)
        told = output.get("facets") or {}
        opaque |= told.get("quintet_opaque", {}).get("columns", {})
        columns = told.get("columnLineage", {})
        for column, entry in columns.get("fields", {}).items():
            links += _links(entry["inputFields"], target, column, lake)
        links += _links(columns.get("dataset", []), target, None, lake)
    name = job["name"] if job["namespace"] == NAMESPACE else f"{job['namespace']}.{job['name']}"
    owners = facets.get("ownership", {}).get("owners") or [{}]
    return Flow(
        job=name,
        inputs=tuple(canonical(entry["namespace"], entry["name"], lake) for entry in event.get("inputs") or []),
        outputs=tuple(canonical(entry["namespace"], entry["name"], lake) for entry in outputs),
        links=tuple(links),
        description=facets.get("documentation", {}).get("description", "") or "",
        owner=owners[0].get("name", ""),
        opaque=opaque,
    )


def _links(fields: Iterable[Mapping[str, Any]], target: str, column: str | None, lake: Path) -> list[Link]:
    found = []
    for entry in fields:
        source = canonical(entry["namespace"], entry["name"], lake)
        kinds = {_kind(told) for told in entry.get("transformations") or []} or {Kind.TRANSFORMATION}
        found.append(Link(source, entry["field"], target, column, min(kinds, key=_STRENGTH.index)))
    return found


def _kind(told: Mapping[str, Any]) -> Kind:
    if told.get("type") == "INDIRECT":
        return Kind.INDIRECT
    return Kind(str(told.get("subtype") or "TRANSFORMATION").lower())


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
