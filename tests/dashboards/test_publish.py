"""Putting dashboards into Superset and asking for them, against a small server that behaves like Superset's REST."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from labs import lab_below
from paths import ROOT
from quintet.dashboards.check import check
from quintet.dashboards.publish import declared, publish, shown
from quintet.dashboards.server import READERS, Superset, WrongPasswordError, enter
from quintet.errors import LabError, QuintetError, ServiceDownError
from quintet.health.stores import ask_superset
from quintet.settings import Lab
from serving import JsonHandler, serving

PASSWORDS = {"admin": "correct-horse", "viewer": "look-only"}
COOKIE = "session=s1"


@dataclass
class Stand:
    """What the server holds, and what it is to refuse."""

    port: int = 0
    imports: int = 0
    passwords: dict[str, str] = field(default_factory=lambda: dict(PASSWORDS))
    dashboards: list[dict[str, Any]] = field(default_factory=list)
    charts: dict[str, list[str]] = field(default_factory=dict)
    datasets: list[str] = field(default_factory=list)
    rights: list[int] = field(default_factory=list)
    refusal: str = ""
    engine: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Handler(JsonHandler):
    """Superset's answers, as far as the client asks."""

    stand: Stand

    def do_POST(self) -> None:
        body, path = self.given(), urlsplit(self.path).path
        if path == "/api/v1/security/login":
            given = json.loads(body)
            if self.stand.passwords.get(given["username"]) != given["password"]:
                return self.say(401, {"message": "Not authorized"})
            return self.say(200, {"access_token": given["username"]})
        if self.headers.get("X-CSRFToken") != "csrf" or COOKIE not in self.headers.get("Cookie", ""):
            return self.say(400, {"errors": [{"message": "The CSRF token is missing."}]})
        if self.headers["Authorization"] != "Bearer admin":
            return self.say(403, {"message": "Forbidden"})
        if path == "/api/v1/assets/import/":
            return self._import(body)
        assert path == "/api/v1/security/roles/7/permissions"
        self.stand.rights = json.loads(body)["permission_view_menu_ids"]
        return self.say(200, {"result": {}})

    def _import(self, body: bytes) -> None:
        if self.stand.refusal:
            return self.say(422, {"errors": [{"message": self.stand.refusal, "extra": {}}]})
        sent = Message()
        sent["Content-Type"] = self.headers["Content-Type"]
        boundary = str(sent.get_param("boundary")).encode()
        (part,) = [one for one in body.split(b"--" + boundary) if b'name="bundle"' in one]
        with zipfile.ZipFile(io.BytesIO(part.partition(b"\r\n\r\n")[2])) as bundle:
            files = {name: yaml.load(bundle.read(name), yaml.CSafeLoader) for name in bundle.namelist()}
        self.stand.imports += 1
        for name, content in files.items():
            if "/datasets/" in name and content["uuid"] not in self.stand.datasets:
                self.stand.datasets.append(content["uuid"])
            if "/dashboards/" in name:
                slug = content["slug"]
                self.stand.dashboards = [one for one in self.stand.dashboards if one["slug"] != slug]
                self.stand.dashboards.append({"id": len(slug), **content})
                self.stand.charts[slug] = [one["slice_name"] for path, one in files.items() if "/charts/" in path]
        return self.say(200, {"message": "OK"})

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        asked = json.loads(parse_qs(place.query).get("q", ["{}"])[0])
        path = place.path.removeprefix("/api/v1/").strip("/")
        if path == "security/csrf_token":
            return self.say(200, {"result": "csrf"}, cookie=True)
        if path.endswith("/data"):
            return self._data()
        if path.endswith("/charts"):
            titles = self.stand.charts[path.split("/")[1]]
            return self.say(200, {"result": [{"slice_name": title, "id": n} for n, title in enumerate(titles, 1)]})
        if path == "security/roles/7/permissions":
            return self.say(200, {"result": [{"id": number} for number in self.stand.rights]})
        found = self._listed(path)
        begin = asked["page"] * asked["page_size"]
        return self.say(200, {"count": len(found), "result": found[begin : begin + asked["page_size"]]})

    def _data(self) -> None:
        if self.stand.engine:
            return self.say(422, {"errors": [{"message": self.stand.engine, "extra": {"issue_codes": []}}]})
        return self.say(200, {"result": [{"data": [{"revenue": 1.5}]}]})

    def _listed(self, path: str) -> list[dict[str, Any]]:
        datasets = list(enumerate(self.stand.datasets, 1))
        return {
            "dashboard": [*self.stand.dashboards, {"id": 99, "slug": None}],
            "dataset": [{"id": number, "uuid": uuid} for number, uuid in datasets],
            "security/permissions": [{"id": 5, "name": "datasource_access"}],
            # More than a page of them, as there are in Superset.
            "security/permissions-resources": [
                *({"id": 1000 + n, "view_menu": {"name": f"view {n}"}} for n in range(150)),
                *({"id": 100 + n, "view_menu": {"name": f"[Lab].[some](id:{n})"}} for n, _ in datasets),
            ],
            "security/roles": [{"id": 6, "name": "Gamma"}, {"id": 7, "name": READERS}],
        }[path]

    def say(self, status: int, content: Any, *, cookie: bool = False) -> None:
        if not cookie:
            return super().say(status, content)
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Set-Cookie", f"{COOKIE}; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None


@pytest.fixture
def stand() -> Iterator[Stand]:
    state = Stand()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"stand": state}))
    state.port = server.server_address[1]
    with serving(server):
        yield state


@pytest.fixture
def lab(tmp_path: Path, stand: Stand) -> Lab:
    found = lab_below(
        tmp_path,
        more_doors={"superset": stand.port},
        secrets={f"superset_{name}": password for name, password in PASSWORDS.items()},
    )
    (found.path("app") / "dashboards").symlink_to(ROOT / "dashboards")
    return found


def test_what_is_there_is_not_imported_again(lab: Lab, stand: Stand) -> None:
    projects = [one.slug for one in declared(lab)]
    assert publish(lab) == {**dict.fromkeys(projects, "changed"), "rights": "changed"}
    assert publish(lab) == {**dict.fromkeys(projects, "same"), "rights": "same"}
    assert stand.imports == len(projects)


def test_readers_get_the_datasets_of_the_repository_and_no_other(lab: Lab, stand: Stand) -> None:
    stand.datasets.append("of somebody else")
    publish(lab)
    assert sorted(stand.rights) == [100 + n for n in range(2, len(stand.datasets) + 1)]


def test_a_dashboard_that_was_changed_or_lost_is_put_in_again(lab: Lab, stand: Stand) -> None:
    publish(lab)
    stand.dashboards[0]["certification_details"] = "another"
    lost = stand.dashboards[0]["slug"]
    assert publish(lab)[lost] == "changed"
    stand.dashboards = [one for one in stand.dashboards if one["slug"] != lost]
    told = publish(lab)
    assert [name for name, what in told.items() if what == "changed"] == [lost]


def test_a_refused_import_is_told_in_the_servers_words(lab: Lab, stand: Stand) -> None:
    stand.refusal = "Error importing assets"
    with pytest.raises(LabError, match="answers 422 to import: Error importing assets"):
        publish(lab)


def test_a_wrong_password_and_a_closed_door_are_told_apart(lab: Lab, stand: Stand) -> None:
    stand.passwords["viewer"] = "another"
    with pytest.raises(WrongPasswordError):
        enter(lab, "viewer")
    with (
        pytest.raises(ServiceDownError, match="Superset does not answer"),
        Superset("http://127.0.0.1:1", timeout=5) as s,
    ):
        s.login("viewer", "x")


def test_the_check_counts_a_chart_of_each_dashboard_that_answers(lab: Lab, stand: Stand) -> None:
    publish(lab)
    assert check(lab) == {"answered": len(stand.dashboards), "waiting": 0}
    stand.engine = "trino error: TABLE_NOT_FOUND: line 2:6"
    assert check(lab) == {"answered": 0, "waiting": len(stand.dashboards)}
    stand.engine = "trino error: connection refused"
    with pytest.raises(LabError, match="connection refused"):
        check(lab)


def test_the_check_fails_without_a_dashboard_and_when_anybody_enters(lab: Lab, stand: Stand) -> None:
    with pytest.raises(LabError, match="Superset lacks"):
        check(lab)
    stand.passwords["admin"] = "wrong"
    with pytest.raises(LabError, match="lets a wrong password in"):
        check(lab)


def test_the_doctor_counts_dashboards_and_names_those_that_differ(lab: Lab, stand: Stand) -> None:
    publish(lab)
    assert ask_superset(lab, 5) == f"dashboards: {len(stand.dashboards)}"
    stand.dashboards[0]["certification_details"] = ""
    with pytest.raises(QuintetError, match="not as the release declares"):
        ask_superset(lab, 5)


def test_dashboards_are_listed_with_owner_and_address(lab: Lab, stand: Stand) -> None:
    with enter(lab) as session:
        assert {one.is_current for one in shown(lab, session)} == {False}
    publish(lab)
    with enter(lab) as session:
        found = {one.slug: one for one in shown(lab, session)}
    assert found["lakehouse"].owner == "retail-data"
    assert found["lakehouse"].is_current
    assert found["ecommerce"].url == f"http://127.0.0.1:{stand.port}/superset/dashboard/ecommerce/"
