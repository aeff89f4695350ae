"""Texts: SQL cut into statements, values put in, roots of Java exceptions."""

from __future__ import annotations

import pytest

from flink_server import REFUSED, RESTORE_FAILED
from labs import Path, lab_below
from quintet.errors import SettingsError
from quintet.flink.causes import is_about_statement, root_cause
from quintet.flink.errors import JobDefinitionError
from quintet.flink.sqltext import is_job, split
from quintet.flink.values import lab_values, render


def test_statements_end_at_their_signs_and_not_within_texts_names_and_comments() -> None:
    text = "SET 'a;b' = 'it''s;'; -- a; comment\nCREATE TABLE `x;y` (a INT); /* b; */ SELECT 1 - 2 / 3;"
    assert split(text, where="x") == ("SET 'a;b' = 'it''s;'", "CREATE TABLE `x;y` (a INT)", "SELECT 1 - 2 / 3")


def test_a_statement_set_is_one_statement_also_with_a_case_at_the_end_of_a_line() -> None:
    inner = "INSERT INTO a SELECT CASE WHEN b THEN 1 END;\nINSERT INTO c VALUES (1);"
    text = f"EXECUTE STATEMENT SET BEGIN {inner}\nEND;\nSET 'a' = 'b';"
    first, second = split(text, where="x")
    assert first.count("INSERT") == 2
    assert first.endswith(";\nEND")
    assert is_job(first)
    assert not is_job(second)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT 'a", "a ' is not closed"),
        ("SELECT `a", "is not closed"),
        ("BEGIN STATEMENT SET; INSERT INTO a SELECT 1;", "END;"),
    ],
)
def test_what_is_not_closed_is_told(text: str, told: str) -> None:
    with pytest.raises(JobDefinitionError, match=told):
        split(text, where="x.sql")


def test_comments_do_not_change_statements() -> None:
    assert split("-- one\nSELECT 1; -- two", where="x") == split("SELECT 1", where="x")


def test_values_of_the_lab_are_put_in_and_quotes_in_them_stay_quotes() -> None:
    assert render("'{{ a.b }}' {{c}}", {"a.b": "it's", "c": "1"}, where="x") == "'it''s' 1"


@pytest.mark.parametrize("text", ["{{ secret.kafka }}", "{{ 1 + 1 }}", "{% if x %}", "{{ kafka.server }}"])
def test_a_name_that_no_lab_has_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(JobDefinitionError, match=r"kafka\.servers|is no name"):
        render(text, {"kafka.servers": "a"}, where="job x")


def test_a_lab_without_streaming_says_which_door_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no endpoint 'postgres'"):
        lab_values(lab_below(tmp_path), "lakehouse", "x")


def test_the_root_of_an_exception_is_its_last_cause_without_frames() -> None:
    assert root_cause(RESTORE_FAILED) == (
        "IllegalStateException: Failed to rollback to checkpoint/savepoint. Cannot map state of operator 7 to the new "
        "program"
    )
    assert root_cause("java.io.IOException: first line\nsecond line\n\tat a.B.c(D.java:1)\n") == (
        "IOException: first line\nsecond line"
    )
    assert root_cause("") == ""


def test_a_statement_that_is_wrong_is_told_from_a_cluster_that_is_ill() -> None:
    assert is_about_statement(REFUSED)
    assert not is_about_statement(RESTORE_FAILED)
    assert not is_about_statement("")
