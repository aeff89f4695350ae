"""Alertmanager's notifications as alerts of the lab: one line in its log when one fires, one when it is over.

Notifications are repeated and come again after a restart: an alert that is open is not written twice.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Literal

from quintet import alerts
from quintet.alerts import Alert
from quintet.settings import Lab

__all__ = ["PROJECT", "receive"]

PROJECT = "platform"

#: Labels that the title tells already.
TOLD = frozenset({"alertname", "severity"})

_one_at_a_time = threading.Lock()


def receive(lab: Lab, notification: Mapping[str, Any]) -> tuple[int, int]:
    """Write what is new of a notification; how many alerts were written and how many closed.

    Raises:
        ValueError: it is no notification of Alertmanager (version 4).
        OSError: the alert log cannot be written.

    Source: Prometheus documentation, Alertmanager configuration, webhook_config.

    """
    try:
        told = [_alert(entry) for entry in notification["alerts"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a notification of Alertmanager: {error!r}") from error
    written = closed = 0
    with _one_at_a_time:
        known = {(item.alert.source, item.alert.run_id) for item in alerts.read(lab) if item.is_open}
        for alert, is_firing in told:
            if not is_firing:
                closed += alerts.clear(lab, project=PROJECT, sources={alert.source}, run_id="resolved")
            elif (alert.source, alert.run_id) not in known:
                alerts.write(lab, alert)
                known.add((alert.source, alert.run_id))
                written += 1
    return written, closed


def _alert(entry: Mapping[str, Any]) -> tuple[Alert, bool]:
    """The alert, whose run is the time from which it holds, and whether it still does."""
    labels: Mapping[str, str] = entry["labels"]
    notes: Mapping[str, str] = entry.get("annotations") or {}
    severity: Literal["critical", "warning"] = "critical" if labels.get("severity") == "critical" else "warning"
    name = labels["alertname"]
    alert = Alert(
        severity=severity,
        source=f"{name}:{entry['fingerprint']}",
        project=PROJECT,
        run_id=str(entry["startsAt"]),
        dag_id=None,
        title=notes.get("summary", name),
        detail=", ".join(f"{key}={value}" for key, value in sorted(labels.items()) if key not in TOLD),
        remedy=notes.get("remedy", "Look at it in Prometheus"),
    )
    return alert, entry["status"] == "firing"
