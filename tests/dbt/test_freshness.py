"""How the age of the sources is asked for and told: dbt is a program that leaves its answer, as the real one does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from quintet import alerts
from quintet.dbt import check_freshness
from quintet.errors import LabError
from quintet.settings import Lab, read_lab

LINES = "source.quintet.silver_lakehouse.invoice_lines"


def result(status: str, *, loaded_at: str, seconds: float, unique_id: str = LINES) -> dict[str, Any]:
    return {
        "unique_id": unique_id,
        "status": status,
        "max_loaded_at": loaded_at,
        "max_loaded_at_time_ago_in_s": seconds,
        "criteria": {"warn_after": {"count": 2, "period": "day"}},
    }


FRESH = result("pass", loaded_at="2026-11-21T07:46:11.375000+00:00", seconds=2408.3)
STALE = result("warn", loaded_at="2026-11-18T07:46:11.375000+00:00", seconds=3 * 86400)
NEVER = result("warn", loaded_at="0001-01-01T00:00:00+00:00", seconds=6.3e10)


def lab_whose_dbt_answers(lab: Lab, *results: dict[str, Any], code: int = 0) -> Lab:
    """The lab with a dbt that writes `sources.json` below its target path and ends with `code`."""
    prefix = lab.path("envs") / "dbt"
    program = prefix / "bin" / "dbt"
    program.parent.mkdir(parents=True)
    answer = prefix / "answer.json"
    answer.write_text(json.dumps({"results": results}), encoding="utf-8")
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{prefix}/given\n'
        'while [ "$1" != --target-path ]; do shift; done\n'
        f'cp {answer} "$2/sources.json"\necho "Database Error"\nexit {code}\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    content = yaml.safe_load(lab.file.read_text(encoding="utf-8"))
    content["environments"]["dbt"] = str(prefix)
    lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_lab(lab.file)


def asked(lab: Lab) -> dict[str, Any]:
    return check_freshness(project="lakehouse", run_id="run-1", told_by="gold.check_freshness", lab_file=str(lab.file))


def test_a_fresh_source_is_told_with_its_age_and_without_an_alert(lab: Lab) -> None:
    lab = lab_whose_dbt_answers(lab, FRESH)
    assert asked(lab) == {
        "sources": [
            {
                "source": "silver_lakehouse.invoice_lines",
                "status": "pass",
                "loaded_at": "2026-11-21T07:46:11+00:00",
                "age_hours": 0.7,
            }
        ],
        "stale": [],
    }
    assert alerts.read(lab) == []


def test_only_the_sources_of_the_project_are_asked_for(lab: Lab) -> None:
    lab = lab_whose_dbt_answers(lab, FRESH)
    asked(lab)
    given = (lab.path("envs") / "dbt" / "given").read_text(encoding="utf-8").split()
    assert given[:4] == ["source", "freshness", "--select", "source:silver_lakehouse"]


def test_a_stale_source_is_a_warning_and_no_error(lab: Lab) -> None:
    lab = lab_whose_dbt_answers(lab, STALE)
    assert asked(lab)["stale"] == ["silver_lakehouse.invoice_lines"]
    (told,) = alerts.read(lab)
    assert (told.alert.severity, told.alert.source, told.alert.project) == (
        "warning",
        "gold.check_freshness",
        "lakehouse",
    )
    assert "2026-11-18T07:46:11+00:00, 72.0 hours ago" in told.alert.detail


def test_a_warning_is_over_when_a_later_run_ends_well(lab: Lab) -> None:
    lab = lab_whose_dbt_answers(lab, STALE)
    asked(lab)
    alerts.clear(lab, project="lakehouse", sources={"gold.check_freshness"}, run_id="run-1")
    assert [told.is_open for told in alerts.read(lab)] == [True]
    alerts.clear(lab, project="lakehouse", sources={"gold.check_freshness"}, run_id="run-2")
    assert [told.is_open for told in alerts.read(lab)] == [False]


def test_a_source_that_was_never_loaded_has_no_time(lab: Lab) -> None:
    lab = lab_whose_dbt_answers(lab, NEVER)
    (source,) = asked(lab)["sources"]
    assert (source["loaded_at"], source["age_hours"]) == (None, None)
    (told,) = alerts.read(lab)
    assert "never loaded" in told.alert.detail


def test_a_dbt_that_cannot_ask_is_an_error(lab: Lab) -> None:
    lab = lab_whose_dbt_answers(lab, code=1)
    with pytest.raises(LabError, match="Database Error"):
        asked(lab)
    assert list(Path(lab.path("run")).iterdir()) == []
