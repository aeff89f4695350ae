"""The command as a person calls it: help, exit codes, messages, and what it does against a lab that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import quintet


def test_help_lists_the_verbs_and_the_exit_codes(tmp_path: Path) -> None:
    done = quintet("--help", home=tmp_path)
    assert done.returncode == 0
    for verb in (
        "doctor",
        "status",
        "logs",
        "start",
        "stop",
        "generate",
        "run",
        "verify",
        "sql",
        "tables",
        "quarantine",
    ):
        assert verb in done.stdout
    assert "Exit codes" in done.stdout


@pytest.mark.parametrize("verb", [["doctor"], ["status"], ["verify", "lakehouse"], ["sql", "select 1"]])
def test_without_a_lab_each_verb_says_how_to_get_one(verb: list[str], tmp_path: Path) -> None:
    done = quintet(*verb, home=tmp_path)
    assert done.returncode == 3
    assert "Install the lab first: make install" in done.stderr


def test_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    assert quintet("nothing", home=tmp_path).returncode == 2
    assert quintet("sql", "select 1", "--format", "xml", home=tmp_path).returncode == 2


def test_an_unknown_project_lists_the_known_ones(tmp_path: Path) -> None:
    done = quintet("generate", "nothing", "--out", str(tmp_path / "out"), home=tmp_path)
    assert done.returncode == 1
    assert "Known projects: lakehouse, timeseries" in done.stderr


def test_generate_writes_files_and_their_truth_once(tmp_path: Path) -> None:
    out = tmp_path / "shop"
    done = quintet("generate", "lakehouse", "--days", "3", "--out", str(out), "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    truth = json.loads((out / "truth.json").read_text(encoding="utf-8"))
    assert told["bronze_lines"] == truth["expect"]["bronze_lines"] > 0
    again = quintet("generate", "lakehouse", "--days", "3", "--out", str(out), home=tmp_path)
    assert again.returncode == 4
