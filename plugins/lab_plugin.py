"""Registers the page Lab in Airflow; what it does is in `quintet.airflow.lab_page`."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from quintet.airflow.lab_page.application import make_application


class LabPlugin(AirflowPlugin):
    """The page and its entry in the navigation."""

    name = "lab"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = [{"app": make_application(), "url_prefix": "/lab", "name": "Lab"}]
    external_views: ClassVar[list[dict[str, str]]] = [
        {"name": "Lab", "href": "/lab/", "destination": "nav", "url_route": "lab"}
    ]
