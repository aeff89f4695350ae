"""The verbs of `quintet backup`, on a real server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backup_server import Guarded, guarded_server
from quintet.cli.main import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with guarded_server() as found:
        yield found


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], guarded: Guarded) -> Call:
    monkeypatch.setenv("QUINTET_LAB", str(guarded.lab.file))

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["quintet", "backup", *words])
        with pytest.raises(SystemExit) as end:
            main()
        told = capfd.readouterr()
        return int(end.value.code or 0), told.out, told.err

    return run


def facts(told: tuple[int, str, str]) -> Any:
    assert told[0] == 0, told[2]
    return json.loads(told[1])


def test_a_backup_is_taken_listed_drilled_and_restored(call: Call, guarded: Guarded) -> None:
    assert "there is none yet" in call("list")[2]
    label = facts(call("postgres", "--kind", "full", "--json"))["label"]
    assert facts(call("check", "--json"))["backups"] == 1
    assert facts(call("drill", "--json"))["restored_in_s"] > 0
    assert facts(call("rotate", "--json")) == {"kept": [label], "removed": []}
    assert facts(call("upload", "--json")) == {"copied": False}
    code, out, err = call("list")
    assert (code, label in out, "last drill: " in err) == (0, True, True)
    target = guarded.lab.path("data") / "brought-back"
    facts(call("restore", str(target), "--json"))
    assert (target / "PG_VERSION").exists()
    code, _, err = call("restore", str(target))
    assert (code, "is not empty. Name a folder" in err) == (4, True)
    assert call("restore", str(target / "other"), "--to", "yesterday")[0] == 4
    assert call("remove", "20200101-000000F")[0] == 4
    newer = facts(call("postgres", "--kind", "full", "--json"))["label"]
    assert facts(call("remove", label, "--json")) == {"kept": [newer], "removed": [label]}
    code, _, err = call("fetch", str(guarded.lab.path("data") / "copy"))
    assert (code, "make install PROFILES=core,lakehouse,objects" in err) == (6, True)
