"""The collector's door and what the page asks, on Airflow's own security and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import airflow_home  # noqa: F401  # sets the environment before Airflow is imported
from quintet.airflow.lineage import application as page
from quintet.lineage import emit
from quintet.lineage.events import run_event
from quintet.lineage.model import Flow, Kind, Link
from quintet.lineage.store import Store
from quintet.settings import Lab

DOOR = emit.ENDPOINT.removeprefix("/lineage")
SILVER, GOLD = "delta.silver_lakehouse.invoice_lines", "iceberg.gold_lakehouse.revenue_daily"
FLOW = Flow(
    "dbt.lakehouse.revenue_daily",
    (SILVER,),
    (GOLD,),
    (
        Link(SILVER, "line_amount_gbp", GOLD, "net_gbp", Kind.AGGREGATION),
        Link(SILVER, "trade_date", GOLD, None, Kind.INDIRECT),
    ),
)
RIGHT = "secret of lineage_writer"
EVENT = run_event(FLOW, at=datetime(2026, 11, 21, 12, tzinfo=UTC))


@pytest.fixture
def application(store: Store, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr(Store, "of_lab", classmethod(lambda _cls, _lab: store))
    monkeypatch.setattr(Lab, "secret", lambda _lab, name: f"secret of {name}")
    return page.make_application()


@pytest.fixture
def client(application: FastAPI) -> Iterator[TestClient]:
    with TestClient(application, raise_server_exceptions=False) as found:
        yield found


@pytest.fixture
def person(application: FastAPI, client: TestClient) -> TestClient:
    """A client whom Airflow lets in."""
    for route in application.routes:
        for asked in getattr(route, "dependencies", []):
            application.dependency_overrides[asked.dependency] = lambda: None
    return client


def send(client: TestClient, content: Any, secret: str = RIGHT) -> Any:
    return client.post(DOOR, json=content, headers={"Authorization": f"Bearer {secret}"})


def test_an_event_of_the_lab_is_taken_once(client: TestClient) -> None:
    assert send(client, EVENT).json() == {"events": 1, "known": 0, "versions": 1}
    again = send(client, [EVENT])
    assert (again.status_code, again.json()) == (201, {"events": 1, "known": 1, "versions": 0})


@pytest.mark.parametrize("secret", ["", "wrong", "secret of airflow_admin"])
def test_an_event_of_somebody_else_is_refused(client: TestClient, secret: str) -> None:
    assert send(client, EVENT, secret).status_code == 401


def test_what_is_no_event_is_refused_with_the_reason(client: TestClient) -> None:
    answer = send(client, {"job": {}})
    assert answer.status_code == 400
    assert "no OpenLineage event" in answer.json()["detail"]
    shown = {"Authorization": "Bearer secret of lineage_writer"}
    assert client.post(DOOR, content=b"{", headers=shown).status_code == 400


@pytest.mark.parametrize("path", ["/", "/graph", "/of?name=x", "/table?name=x", "/impact?name=x", "/search?text=x"])
def test_a_person_has_to_be_known_to_airflow(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"accept": "application/json"}).status_code == 401
    sent = client.get(path, headers={"accept": "text/html"}, follow_redirects=False)
    assert sent.status_code == 302
    assert sent.headers["location"].startswith("/auth/login/")


def test_the_page_loads_nothing_from_anywhere(person: TestClient) -> None:
    answer = person.get("/")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_the_graph_has_the_edges_and_every_table_of_the_catalogue(person: TestClient) -> None:
    send(person, EVENT)
    found = person.get("/graph").json()
    assert found["edges"] == [{"source": SILVER, "target": GOLD, "jobs": ["dbt.lakehouse.revenue_daily"]}]
    tables = {table["table"]: table for table in found["tables"]}
    assert tables[GOLD]["owner"] == "retail-data"
    assert tables[GOLD]["written"]["job"] == "dbt.lakehouse.revenue_daily"
    assert tables[GOLD]["linked"]
    assert not tables["kafka.lakehouse.orders.changes"]["linked"]


def test_a_column_is_asked_for_with_its_way_and_its_impact(person: TestClient) -> None:
    send(person, EVENT)
    up = person.get("/of", params={"name": "revenue_daily.net_gbp"}).json()["upstream"]
    assert [(row["name"], row["kind"]) for row in up] == [
        (f"{SILVER}.line_amount_gbp", "aggregation"),
        (f"{SILVER}.trade_date", "indirect"),
    ]
    assert person.get("/of", params={"name": "nothing"}).status_code == 400


def test_a_table_has_columns_with_their_sources_and_versions(person: TestClient) -> None:
    send(person, EVENT)
    found = person.get("/table", params={"name": GOLD}).json()
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["net_gbp"]["sources"] == [f"{SILVER}.line_amount_gbp"]
    assert columns["net_gbp"]["type"] == "decimal(20,4)"
    assert len(found["versions"]) == 1


def test_search_and_products_answer(person: TestClient) -> None:
    assert person.get("/search", params={"text": "pii:direct email"}).json()["found"]
    domains = {product["domain"] for product in person.get("/products").json()["products"]}
    assert len(domains) >= 3
