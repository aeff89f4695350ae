"""Generators of another environment: what is missing is named, what they refuse is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from quintet.errors import InputError, LabError, QuintetError, SettingsError
from quintet.runs import elsewhere

ARGUMENTS = {"days": 1, "seed": 7, "poison_day": None}


@pytest.fixture(autouse=True)
def no_lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QUINTET_HOME", str(tmp_path / "no-lab"))
    monkeypatch.delenv("QUINTET_LAB", raising=False)


def environment(root: Path, program: str) -> Path:
    """A repository whose environment runs this program in the place of Python."""
    python = root / ".venv-streaming" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!{sys.executable}\n{program}", encoding="utf-8")
    python.chmod(0o755)
    return root


def test_without_the_environment_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(elsewhere, "_ROOT", tmp_path)
    with pytest.raises(SettingsError, match="Run: scripts/env streaming"):
        elsewhere.generate_elsewhere("ecommerce", tmp_path / "out", **ARGUMENTS)


def test_the_generator_is_called_with_what_was_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = (
        "import json, sys\nprint('RESULT ' + json.dumps({'words': sys.argv[1:], 'given': json.load(sys.stdin)}))\n"
    )
    monkeypatch.setattr(elsewhere, "_ROOT", environment(tmp_path, program))
    told = elsewhere.generate_elsewhere("ecommerce", tmp_path / "out", **ARGUMENTS)
    assert told["words"] == ["-m", "quintet.call", "quintet.ecommerce.generator:run"]
    assert told["given"] == {"out": str(tmp_path / "out"), **ARGUMENTS}


@pytest.mark.parametrize(("code", "kind"), [(4, InputError), (7, QuintetError), (99, LabError)])
def test_what_it_refuses_is_refused_by_the_same_class(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, kind: type[QuintetError]
) -> None:
    program = f"import sys; sys.stderr.write('the folder holds an input already'); sys.exit({code})"
    monkeypatch.setattr(elsewhere, "_ROOT", environment(tmp_path, program))
    with pytest.raises(kind, match="holds an input already") as refused:
        elsewhere.generate_elsewhere("ecommerce", tmp_path / "out", **ARGUMENTS)
    assert refused.value.exit_code == (code if code < 9 else LabError.exit_code)


def test_every_generator_is_a_function_that_exists() -> None:
    root = Path(__file__).parents[2]
    for environment_name, function in elsewhere.GENERATORS.values():
        module, _, name = function.partition(":")
        assert (root / "envs" / f"{environment_name}.in").is_file()
        text = (root / "include" / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8")
        assert f"\ndef {name}(" in text
