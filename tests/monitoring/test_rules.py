"""Every alert fires under the series of its trouble and under no others; evaluated by Prometheus' own program."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from paths import ROOT
from quintet.monitoring.page import RULES, monitoring_page, rules

CASES: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(
    Path(__file__).with_name("cases.yml").read_text(encoding="utf-8")
)
NAMES = [rule["alert"] for _, rule in rules()]
PROMTOOL = shutil.which("promtool")

with_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on the PATH: scripts/peers prometheus")


def evaluated(folder: Path, name: str, *tests: dict[str, Any]) -> Path:
    """The file of an alert's tests. Beside it the rule alone: to evaluate all of them for each test takes minutes."""
    (rule,) = (rule for _, rule in rules() if rule["alert"] == name)
    (folder / f"{name}.rule.yml").write_text(
        json.dumps({"groups": [{"name": name, "rules": [rule]}]}), encoding="utf-8"
    )
    file = folder / f"{name}.yml"
    content = {"rule_files": [f"{name}.rule.yml"], "evaluation_interval": "1m", "tests": tests}
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(PROMTOOL), *arguments], text=True, capture_output=True, check=False, timeout=600)


def series(given: dict[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": str(values)} for name, values in given.items()]


def firing(name: str, number: int) -> dict[str, Any]:
    """What is asked of the end of a test: how many alerts of this name fire."""
    samples = [{"labels": "{}", "value": number}] if number else []
    return {
        "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
        "eval_time": "40m",
        "exp_samples": samples,
    }


def case(name: str, number: int) -> dict[str, Any]:
    given = series(CASES[name]["fires" if number else "silent"])
    return {"interval": "1m", "input_series": given, "promql_expr_test": [firing(name, number)]}


@with_promtool
def test_prometheus_accepts_the_file() -> None:
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


@with_promtool
def test_every_alert_fires_in_its_trouble_and_in_no_other(tmp_path: Path) -> None:
    assert sorted(CASES) == sorted(NAMES), "each alert has its cases in tests/monitoring/cases.yml"
    done = promtool("test", "rules", *(evaluated(tmp_path, name, case(name, 1), case(name, 0)) for name in NAMES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(NAMES)


@with_promtool
def test_these_tests_can_fail(tmp_path: Path) -> None:
    wrong = {**case("RedisDown", 0), "promql_expr_test": [firing("RedisDown", 1)]}
    assert promtool("test", "rules", evaluated(tmp_path, "RedisDown", wrong)).returncode == 1


@with_promtool
def test_what_is_told_names_the_service_and_what_to_do(tmp_path: Path) -> None:
    told = {
        "alertname": "DoorClosed",
        "eval_time": "5m",
        "exp_alerts": [
            {
                "exp_labels": {"severity": "critical", "door": "redis", "service": "redis", "address": "127.0.0.1:1"},
                "exp_annotations": {
                    "summary": "redis does not accept connections at 127.0.0.1:1",
                    "remedy": "Read: quintet logs redis; then: quintet start redis",
                },
            }
        ],
    }
    test = {"interval": "1m", "input_series": series(CASES["DoorClosed"]["fires"]), "alert_rule_test": [told]}
    done = promtool("test", "rules", evaluated(tmp_path, "DoorClosed", test))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_severity_a_time_a_summary_and_a_remedy_and_a_line_on_the_page() -> None:
    page = monitoring_page()
    assert len(set(NAMES)) == len(NAMES)
    for _, rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert rule["for"], rule["alert"]
        assert set(rule["annotations"]) == {"summary", "remedy"}, rule["alert"]
        assert f"| {rule['alert']} | {rule['labels']['severity']} | {rule['for']} |" in page
    assert "{{" not in page
    assert (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8") == page
