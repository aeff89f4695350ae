"""Airflow's environment first: see `airflow_home`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import airflow_home  # noqa: F401  # sets the environment before Airflow is imported

DESCRIPTION = "api_fastapi/core_api/openapi/v2-rest-api-generated.yaml"


@pytest.fixture(scope="session")
def api() -> dict[str, Any]:
    """Airflow's own description of its REST interface."""
    import airflow

    found: dict[str, Any] = yaml.safe_load((Path(airflow.__file__).parent / DESCRIPTION).read_text(encoding="utf-8"))
    return found
