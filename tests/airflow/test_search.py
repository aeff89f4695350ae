"""The proof of an index by the provider's client, whose answers are given."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import certifi
import pytest

import airflow_home  # noqa: F401  # sets the environment before Airflow is imported
from quintet.airflow import search
from quintet.airflow.search import CheckAlias, CheckCluster, LabConnection
from quintet.errors import LabError, ServiceDownError

pytestmark = pytest.mark.airflow


def answering(monkeypatch: pytest.MonkeyPatch, **given: Any) -> None:
    indices = {"of-1": {"aliases": {"of": {}}}, "of-2": {"aliases": {}}}
    client = SimpleNamespace(
        cluster=SimpleNamespace(health=lambda: {"status": given.get("status", "green")}),
        indices=SimpleNamespace(get_alias=lambda *, index: {**indices, **given.get("indices", {})}),
        count=lambda *, index: {"count": 7},
    )
    monkeypatch.setattr(search, "search_hook", lambda: SimpleNamespace(client=client))


@pytest.fixture
def nobodys(monkeypatch: pytest.MonkeyPatch) -> LabConnection:
    """A connection to a port at which nobody listens, on a machine that has a bundle of its own."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/the/bundle/of/the/machine.pem")
    monkeypatch.setattr(search, "load_lab", lambda: SimpleNamespace(options={"search": {"ca": certifi.where()}}))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return LabConnection(host="127.0.0.1", port=held.getsockname()[1], use_ssl=True)


def test_the_authority_of_the_lab_comes_before_a_bundle_of_the_machine(nobodys: LabConnection) -> None:
    settings = nobodys.session.merge_environment_settings(nobodys.host, {}, None, None, None)
    assert settings["verify"] == certifi.where()


def proof(index: str = "of-1", documents: str = "7") -> CheckAlias:
    return CheckAlias(task_id="check_alias", alias="of", index=index, documents=documents)


def test_an_alias_of_the_index_that_was_built_with_all_documents_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch)
    assert proof().execute({}) == 7


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"index": "of-2"}),
        ({}, {"documents": "8"}),
        ({"indices": {"of-1": {"aliases": {}}}}, {}),
        ({"indices": {"of-2": {"aliases": {"of": {}}}}}, {}),
    ],
    ids=["another index", "documents are missing", "no alias", "two indices"],
)
def test_another_index_or_number_of_documents_is_told(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], wanted: dict[str, str]
) -> None:
    answering(monkeypatch, **given)
    with pytest.raises(LabError, match="run the DAG again"):
        proof(**wanted).execute({})


def test_a_cluster_that_does_not_answer_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, nobodys: LabConnection
) -> None:
    def health() -> Any:
        nobodys.perform_request("GET", "/_cluster/health")

    client = SimpleNamespace(cluster=SimpleNamespace(health=health))
    monkeypatch.setattr(search, "search_hook", lambda: SimpleNamespace(client=client))
    with pytest.raises(ServiceDownError, match=r"Connection refused.*quintet logs search"):
        CheckCluster(task_id="check_cluster").execute({})


def test_nothing_is_built_in_a_cluster_that_has_lost_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, status="yellow")
    assert CheckCluster(task_id="check_cluster").execute({}) == "yellow"
    answering(monkeypatch, status="red")
    with pytest.raises(ServiceDownError, match="quintet logs search"):
        CheckCluster(task_id="check_cluster").execute({})
