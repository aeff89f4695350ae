"""What Airflow tells of itself through its API: heartbeats of its parts, tasks that failed."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from quintet.errors import QuintetError
from quintet.monitoring.figures import Figure
from quintet.settings import Lab
from quintet.urldoor import ask

__all__ = ["airflow"]

#: Seconds for one answer.
PATIENCE = 4.0
#: Failures are counted over this time.
WINDOW = timedelta(hours=1)
USER = "viewer"
#: Parts that beat; the name in the answer, and that of the service.
PARTS = {
    "scheduler": "airflow-scheduler",
    "dag_processor": "airflow-dag-processor",
    "triggerer": "airflow-triggerer",
}

# The token of the last question, by address: a password is asked for only when Airflow wants it again.
_tokens: dict[str, str] = {}


def airflow(lab: Lab, now: datetime | None = None) -> Iterator[Figure]:
    """Last heartbeat of each part, and how many tasks failed within the hour before `now`.

    Raises:
        QuintetError: Airflow does not answer, or lets the user not in.

    """
    url = lab.endpoint("airflow").url
    since = quote(((now or datetime.now(UTC)) - WINDOW).isoformat())
    try:
        health = _answer(f"{url}/api/v2/monitor/health", {})
        failed = _failed(lab, url, since)
    except (OSError, ValueError, KeyError) as error:
        raise QuintetError(f"{url}: {error}", remedy="Read: quintet logs airflow-api-server") from error
    for part, service in PARTS.items():
        told = (health.get(part) or {}).get(f"latest_{part}_heartbeat")
        beat = datetime.fromisoformat(str(told)).timestamp() if told else 0.0
        yield Figure("quintet_airflow_heartbeat_timestamp_seconds", beat, {"part": part, "service": service})
    yield Figure("quintet_airflow_failed_tasks_last_hour", float(failed))


def _failed(lab: Lab, url: str, since: str) -> int:
    asked = f"{url}/api/v2/dags/~/dagRuns/~/taskInstances?state=failed&end_date_gte={since}&limit=1"
    try:
        return int(_answer(asked, _entered(lab, url))["total_entries"])
    except urllib.error.HTTPError as error:
        if error.code != 401:  # the token has ended, or Airflow has a new key
            raise
        _tokens.pop(url, None)
        return int(_answer(asked, _entered(lab, url))["total_entries"])


def _entered(lab: Lab, url: str) -> dict[str, str]:
    if url not in _tokens:
        body = {"username": USER, "password": lab.secret(f"airflow_{USER}")}
        _, content = ask(
            f"{url}/auth/token",
            timeout=PATIENCE,
            method="POST",
            body=body,
            headers={"Content-Type": "application/json"},
        )
        _tokens[url] = str(json.loads(content)["access_token"])
    return {"Authorization": f"Bearer {_tokens[url]}"}


def _answer(url: str, headers: dict[str, str]) -> dict[str, Any]:
    _, content = ask(url, timeout=PATIENCE, headers=headers)
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError("not an answer of Airflow")
    return found
