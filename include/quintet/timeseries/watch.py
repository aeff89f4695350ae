"""The watch over the lab's time-series database: its figures against the rules, alerts written and closed.

A finding is told once: its alert stays open until the rule finds nothing any more. The figures of the last look are
kept in the folder `run`, so that counters count from one look to the next.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from quintet import alerts
from quintet.alerts import Alert
from quintet.catalogue.timeseries import SLUG
from quintet.settings import Lab, load_lab, read_lab
from quintet.timeseries.labclient import LabClient
from quintet.timeseries.upkeep import backups
from quintet.timeseries.watchrules import SOURCES, Sample, Thresholds, findings, read_metrics

__all__ = ["look"]

_LAST = "timeseries-watch.json"


def look(run_id: str, *, limits: dict[str, float] | None = None, lab_file: str | None = None) -> dict[str, Any]:
    """Look once. limits: other thresholds than the rules' own, by name.

    Returns {"found": sources with a finding, "told": those told now, "closed": alerts closed}.

    Raises:
        ServiceDownError: the database does not answer.

    """
    lab = read_lab(Path(lab_file)) if lab_file else load_lab()
    now = _sample(lab)
    found = findings(now, _last(lab), Thresholds(**(limits or {})))
    is_open = {told.alert.source: told.alert.severity for told in alerts.read(lab) if told.is_open}
    told = [one for one in found if is_open.get(one.source) != one.severity]
    for one in told:
        alerts.write(
            lab,
            Alert(
                severity=one.severity,
                source=one.source,
                project=SLUG,
                run_id=run_id,
                title=one.title,
                detail=one.detail,
                remedy=one.remedy,
            ),
        )
    well = {f"watch.{name}" for name in SOURCES} - {one.source for one in found}
    closed = alerts.clear(lab, project=SLUG, sources=well, run_id=run_id)
    _remember(lab, now)
    return {"found": [one.source for one in found], "told": [one.source for one in told], "closed": closed}


def _sample(lab: Lab) -> Sample:
    with LabClient(lab, "reader") as client:
        return Sample(read_metrics(client.text("/metrics")), _backup_age(lab), client.trouble())


def _backup_age(lab: Lab) -> float:
    """Seconds since the newest backup; where there is none, since the database was installed."""
    newest = backups(lab)[-1:] or [lab.path("config") / "timeseries" / "tokens"]
    try:
        return time.time() - newest[0].stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _last(lab: Lab) -> Sample:
    try:
        return Sample(json.loads((lab.path("run") / _LAST).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):  # the first look, or a file that was cut short
        return Sample()


def _remember(lab: Lab, sample: Sample) -> None:
    path = lab.path("run") / _LAST
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(dict(sample.metrics)), encoding="utf-8")
    aside.replace(path)
