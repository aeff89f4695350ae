"""Registers the page Lineage in Airflow; what it does is in `quintet.airflow.lineage`."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from quintet.airflow.lineage.application import make_application


class LineagePlugin(AirflowPlugin):
    """The collector's door, the page and its entry in the navigation."""

    name = "lineage"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [
        {"app": make_application(), "url_prefix": "/lineage", "name": "Lineage"}
    ]
    external_views: ClassVar[list[dict[str, str]]] = [
        {"name": "Lineage", "href": "/lineage/", "destination": "nav", "url_route": "lineage"}
    ]
