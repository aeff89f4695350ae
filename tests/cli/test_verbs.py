"""Every verb: help, wrong usage, `--json`, the exit code without a lab, and the page rendered from the parser."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paths import ROOT
from quintet import errors
from quintet.cli.main import EXIT_CODES, main
from quintet.docs.command import command_page, verbs

VERBS = dict(verbs())
#: Arguments that a verb cannot do without.
NEEDED = {
    "quintet logs": ["trino"],
    "quintet secrets show": ["airflow"],
    "quintet generate": ["lakehouse", "--out", "/nonexistent/quintet/out"],
    "quintet run": ["lakehouse"],
    "quintet announce": ["lakehouse", "--input", "/nonexistent/quintet/input"],
    "quintet publish": ["lakehouse"],
    "quintet verify": ["lakehouse"],
    "quintet sql": ["select 1"],
    "quintet history": ["delta.silver_lakehouse.invoice_lines"],
    "quintet rollback": ["delta.silver_lakehouse.invoice_lines", "1"],
    "quintet quarantine list": ["lakehouse"],
    "quintet quarantine show": ["lakehouse"],
    "quintet quarantine replay": ["lakehouse", "--by", "ann"],
    "quintet capture show": ["lakehouse"],
    "quintet capture snapshot": ["lakehouse"],
    "quintet capture recover": ["lakehouse"],
    "quintet capture release": ["lakehouse", "orders"],
    "quintet deadletters list": ["lakehouse"],
    "quintet deadletters show": ["lakehouse", "lakehouse.orders.changes/0/1"],
    "quintet deadletters replay": ["lakehouse", "lakehouse.orders.changes"],
    "quintet deadletters discard": ["lakehouse", "lakehouse.orders.changes"],
    "quintet lineage": ["fct_sales"],
    "quintet backup remove": ["20261123-040506F"],
    "quintet backup fetch": ["/nonexistent/quintet/copy"],
    "quintet backup restore": ["/nonexistent/quintet/data"],
    "quintet catalogue search": ["email"],
    "quintet product show": ["daily_sales"],
    "quintet product new": ["sales_by_week", "--domain", "sales", "--from", "revenue_weekly"],
}
#: What works without a lab.
FREE = {"quintet generate", "quintet docs", "quintet catalogue search"} | {
    f"quintet product {verb}" for verb in ("list", "show", "check", "new")
}

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run the command here, where no lab is; exit code, output, messages."""
    monkeypatch.setenv("QUINTET_HOME", str(tmp_path / "no-lab"))
    monkeypatch.delenv("QUINTET_LAB", raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", list(words))
        with pytest.raises(SystemExit) as end:
            main()
        told = capfd.readouterr()
        return int(end.value.code or 0), told.out, told.err

    return run


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_explains_itself(call: Call, verb: str) -> None:
    code, out, _ = call(*verb.split(), "--help")
    assert code == 0
    assert f"Usage: {verb}" in out
    assert str(VERBS[verb].help).split(".")[0][:30] in out


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_json_and_a_help_for_each_parameter(verb: str) -> None:
    parameters = VERBS[verb].params
    assert "--json" in [word for entry in parameters for word in entry.opts]
    assert [entry.name for entry in parameters if not entry.help] == []


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_that_a_verb_does_not_know_is_named(call: Call, verb: str) -> None:
    code, _, err = call(*verb.split(), *NEEDED.get(verb, []), "--nothing")
    assert code == 2
    assert "--nothing" in err
    assert f"{verb} --help" in err


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb in NEEDED])
def test_what_a_verb_cannot_do_without_is_named(call: Call, verb: str) -> None:
    code, _, err = call(*verb.split())
    assert code == 2
    assert "Missing" in err


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in FREE])
def test_without_a_lab_a_verb_says_how_to_get_one(call: Call, verb: str) -> None:
    code, out, err = call(*verb.split(), *NEEDED.get(verb, []))
    assert code == 3
    assert out == ""
    assert re.fullmatch(r"quintet: no lab file at \S+\. Install the lab first: make install\n", err)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("logs trino -n 0", "greater than or equal to 1"),
        ("logs trino --follow --json", "no end to print"),
        ("sql select --format xml", "table"),
        ("run lakehouse --from 2026-13-01", "'2026-13-01' is no day as YYYY-MM-DD"),
        ("run lakehouse --to yesterday", "'yesterday' is no day"),
        ("run lakehouse --from 2026-02-02 --to 2026-02-01", "lies before the first"),
        ("run lakehouse --dag nothing", "lakehouse_run_pipeline"),
        ("publish timeseries", "publishes nothing; these do: lakehouse"),
        ("generate lakehouse --out x --days 0", "greater than or equal to 1"),
        ("tables --layer platinum", "bronze"),
        ("quarantine show lakehouse --file x --limit 0", "greater than or equal to 1"),
        ("quarantine", ""),
        ("nothing", "nothing"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(call: Call, words: str, told: str) -> None:
    code, out, err = call("quintet", *words.split())
    assert code == 2
    # A long message is broken into lines within a frame.
    plain = " ".join(re.sub(r"[│╭╮╰╯─]", " ", err + out).split())
    assert told in plain


def test_a_place_that_cannot_be_written_is_an_error_and_no_traceback(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    code, _, err = call("quintet", "generate", "lakehouse", "--days", "1", "--out", str(tmp_path / "file" / "out"))
    assert code == 1
    assert re.fullmatch(r"quintet: Not a directory: \S+/file/out/\S+\n", err)


def subclasses(kind: type[errors.QuintetError]) -> list[type[errors.QuintetError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in subclasses(child))]


def test_every_error_has_a_documented_exit_code(call: Call) -> None:
    codes = {kind.exit_code for kind in subclasses(errors.QuintetError)}
    assert codes == set(EXIT_CODES) - {0, 2, 130}
    _, out, _ = call("quintet", "--help")
    plain = " ".join(out.split())
    assert [meaning for meaning in EXIT_CODES.values() if meaning not in plain] == []


def test_the_tables_of_the_catalogue_need_no_lab(call: Call) -> None:
    code, out, _ = call("quintet", "tables", "--no-count", "--json")
    assert code == 0
    rows: list[dict[str, Any]] = json.loads(out)
    assert {row["layer"] for row in rows} == {"bronze", "silver", "gold", "live"}
    for row in rows:
        assert row["rows"] is None
        assert row["columns"] > 0
        assert row["owner"]
        assert row["description"]


def test_tables_can_be_chosen_by_layer_and_shown_one_by_one(call: Call) -> None:
    _, out, _ = call("quintet", "tables", "--no-count", "--layer", "gold", "--project", "lakehouse")
    header, *rows = out.splitlines()
    assert header.split() == ["table", "layer", "columns", "owner", "pii", "description"]
    assert {row.split()[1] for row in rows} == {"gold"}
    _, out, _ = call("quintet", "tables", "iceberg.gold_lakehouse.fct_sales", "--json")
    shown = json.loads(out)
    assert [column for column in shown["columns"] if not column["description"]] == []
    assert set(shown["key"]) <= {column["column"] for column in shown["columns"]}


def test_a_table_that_does_not_exist_is_an_error(call: Call) -> None:
    code, _, err = call("quintet", "tables", "gold.nothing")
    assert code == 1
    assert "there is no table 'gold.nothing'" in err


def test_the_page_shows_every_verb_option_and_exit_code() -> None:
    page = command_page()
    for verb, parser in VERBS.items():
        section = page.partition(f"\n## {verb}\n")[2].partition("\n## ")[0]
        assert section, verb
        words = [word for entry in parser.params if entry.param_type_name == "option" for word in entry.opts]
        assert [word for word in words if f"`{word}" not in section] == []
    assert [code for code in EXIT_CODES if f"\n| {code} | " not in page] == []


def test_the_generated_documents_are_up_to_date(call: Call) -> None:
    code, out, err = call("quintet", "docs", "--check", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"out_of_date": []}
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == command_page()
