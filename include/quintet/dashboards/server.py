"""Client of Superset's REST interface: who enters, what is imported, who may read, what a chart shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from quintet.errors import LabError
from quintet.httpdoor import HttpDoor
from quintet.settings import Lab

__all__ = ["ADMIN", "READERS", "VIEWER", "Superset", "WrongPasswordError", "enter"]

#: Users, both with a password of the secrets file: superset_<name>.
ADMIN, VIEWER = "admin", "viewer"
#: Role of those who may read the datasets of the repository, beside what every viewer may.
READERS = "Lab readers"
#: Seconds for one answer: an import asks Trino for its catalogs, schemas and tables.
TIMEOUT = 120.0
#: Entries of a list in one answer.
PAGE = 100


class WrongPasswordError(LabError):
    """Superset does not let the user in."""


class Superset(HttpDoor):
    """One session of one user."""

    service = "Superset"
    remedy = "Read: quintet logs superset"

    def login(self, user: str, password: str) -> None:
        """Enter.

        Raises:
            WrongPasswordError: the password is not the user's.
            LabError: another refusal.

        """
        given = {"username": user, "password": password, "provider": "db", "refresh": False}
        answer = self._send("POST", "/api/v1/security/login", json=given)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise WrongPasswordError(f"Superset does not let the user {user} in", remedy="Run: make install")
        token = self._told(answer, "login")["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        # Requests that change something want this beside the session's cookie, which comes with it.
        self._client.headers["X-CSRFToken"] = self.get("/api/v1/security/csrf_token/")["result"]

    def get(self, path: str, **question: Any) -> dict[str, Any]:
        """Answer to a question; `question` becomes the parameter `q`. Raises LabError."""
        parameters = {"q": json.dumps(question)} if question else None
        return self._told(self._send("GET", path, params=parameters), path)

    def change(self, method: str, path: str, body: Any) -> httpx.Response:
        """Answer to a request that changes something, whatever its status."""
        return self._send(method, path, json=body)

    def listed(self, resource: str, **question: Any) -> list[dict[str, Any]]:
        """All entries of a list. Raises LabError."""
        found: list[dict[str, Any]] = []
        while True:
            asked = {**question, "page": len(found) // PAGE, "page_size": PAGE}
            part = self.get(f"/api/v1/{resource}/", **asked)
            found += part["result"]
            if len(part["result"]) < PAGE or len(found) >= part["count"]:
                return found

    def import_bundle(self, bundle: bytes) -> None:
        """Put databases, datasets, charts and dashboards in, over those of the same uuid. Raises LabError."""
        files = {"bundle": ("bundle.zip", bundle, "application/zip")}
        self._told(self._send("POST", "/api/v1/assets/import/", files=files), "import")

    def dashboards(self) -> dict[str, dict[str, Any]]:
        """Dashboards that the user may see, by their slug."""
        return {one["slug"]: one for one in self.listed("dashboard") if one["slug"]}

    def charts(self, dashboard: str) -> dict[str, int]:
        """Number of each chart of a dashboard, by its title."""
        return {one["slice_name"]: one["id"] for one in self.get(f"/api/v1/dashboard/{dashboard}/charts")["result"]}

    def rows(self, chart: int) -> list[dict[str, Any]]:
        """Rows that a chart shows. Raises LabError with what the engine said."""
        told = self._told(self._send("GET", f"/api/v1/chart/{chart}/data/"), f"chart {chart}")
        rows: list[dict[str, Any]] = told["result"][0]["data"]
        return rows

    def allow(self, role: str, datasets: Iterable[str]) -> bool:
        """Let a role read the datasets of these uuids, and nothing else; whether that was a change. Raises LabError."""
        wanted = set(datasets)
        numbers = {one["id"] for one in self.listed("dataset", columns=["id", "uuid"]) if one["uuid"] in wanted}
        rights = self.listed(
            "security/permissions-resources",
            filters=[{"col": "permission", "opr": "rel_o_m", "value": self._right("datasource_access")}],
        )
        ids = {one["id"] for one in rights if _number(one["view_menu"]["name"]) in numbers}
        found = [one["id"] for one in self.listed("security/roles") if one["name"] == role]
        if not found or len(ids) != len(wanted):
            raise LabError(
                f"Superset has {len(ids)} of {len(wanted)} datasets for the role {role}", remedy="Run: make install"
            )
        held = self.get(f"/api/v1/security/roles/{found[0]}/permissions/")["result"]
        if {one["id"] for one in held} == ids:
            return False
        path = f"/api/v1/security/roles/{found[0]}/permissions"
        self._told(self._send("POST", path, json={"permission_view_menu_ids": sorted(ids)}), path)
        return True

    def _right(self, name: str) -> int:
        (number,) = [one["id"] for one in self.listed("security/permissions") if one["name"] == name]
        return int(number)

    def _told(self, answer: httpx.Response, what: str) -> dict[str, Any]:
        try:
            content = answer.json()
        except ValueError:
            content = None
        if answer.is_success and isinstance(content, dict):
            return content
        said = _reason(content) if isinstance(content, Mapping) else answer.text[:200]
        raise LabError(f"Superset answers {answer.status_code} to {what}: {said}", remedy=self.remedy)


def enter(lab: Lab, user: str = ADMIN, *, timeout: float = TIMEOUT) -> Superset:
    """Session of a user of the lab's Superset; to be closed. Raises LabError."""
    # Without it errors come as a page for people.
    session = Superset(lab.endpoint("superset").url, timeout=timeout, headers={"Accept": "application/json"})
    try:
        session.login(user, lab.secret(f"superset_{user}"))
    except BaseException:
        session.close()
        raise
    return session


def _number(resource: str) -> int | None:
    """Number of a dataset in the name of its right: `[database].[dataset](id:7)`."""
    _, found, rest = resource.rpartition("(id:")
    return int(rest.rstrip(")")) if found else None


def _reason(content: Mapping[str, Any]) -> str:
    """What Superset says was wrong: a message, a list of errors, or a message for each part."""
    errors = content.get("errors")
    if isinstance(errors, list):
        return "; ".join(
            f"{one.get('message', one)} {json.dumps(one.get('extra', {}).get('issue_codes', ''))}".removesuffix(' ""')
            if isinstance(one, Mapping)
            else str(one)
            for one in errors
        )
    return str(content.get("message", content))
