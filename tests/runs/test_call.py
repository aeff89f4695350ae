"""How a program ends: its result as the last line of output, or its error as text and exit code."""

from __future__ import annotations

import io
import json
from datetime import date
from typing import Any

import pytest

from quintet.call import RESULT, main, tell
from quintet.errors import GateError, SettingsError


def refuse() -> Any:
    raise GateError("two rules broke", remedy="Look at the report")


def test_a_result_is_told_with_its_own_letters(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(lambda: {"place": "Köln", "rows": 3}) == 0
    assert capsys.readouterr().out == f'{RESULT}{{"place": "Köln", "rows": 3}}\n'


def test_an_error_is_told_as_text_and_exit_code_without_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(refuse) == GateError.exit_code
    assert capsys.readouterr() == ("", "two rules broke. Look at the report\n")


def test_values_that_are_no_json_are_refused_unless_a_program_says_what_becomes_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(TypeError, match="date"):
        tell(lambda: date(2026, 11, 21))
    assert tell(lambda: date(2026, 11, 21), default=str) == 0
    assert capsys.readouterr().out == f'{RESULT}"2026-11-21"\n'


def test_a_function_is_called_with_the_arguments_that_were_given() -> None:
    answer, complaint = io.StringIO(), io.StringIO()
    given = io.StringIO(json.dumps({"obj": {"b": 1, "a": 2}, "sort_keys": True}))
    assert main("json:dumps", given, answer, complaint) == 0
    assert json.loads(answer.getvalue().removeprefix(RESULT)) == '{"a": 2, "b": 1}'
    assert complaint.getvalue() == ""


def test_a_function_that_is_not_there_is_named_with_the_interpreter() -> None:
    answer, complaint = io.StringIO(), io.StringIO()
    assert main("json:nothing", io.StringIO("{}"), answer, complaint) == SettingsError.exit_code
    assert "json:nothing cannot be loaded by" in complaint.getvalue()
    assert answer.getvalue() == ""
