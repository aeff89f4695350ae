"""The proof: figures of the tables compared with the truth, every difference told, and nothing proven by silence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quintet.check import Check
from quintet.errors import LabError, ServiceDownError, VerifyError
from quintet.lakehouse import facts
from quintet.lakehouse.generator import Scale, generate
from quintet.lakehouse.truth import Truth
from quintet.lakehouse.verify import BRONZE, INVARIANTS, METRICS, PARTS, checks

WHOLE = {*METRICS.values(), *INVARIANTS.values()}


@dataclass
class Lake:
    """Answers each question as a lake that holds exactly what the truth says; `changed` answers differ.

    They are named by the whole statement or by words of it.
    """

    truth: Truth
    changed: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, statement: str) -> list[list[Any]]:
        self.asked.append(statement)
        for words, answer in self.changed.items():
            if words == statement or (words not in WHOLE and words in statement):
                if isinstance(answer, Exception):
                    raise answer
                return answer  # type: ignore[no-any-return]
        return self._answer(statement)

    def _answer(self, statement: str) -> list[list[Any]]:
        plain = statement.replace(f"(select * from {BRONZE} where _file_hash <> '{self._poisoned()}')", BRONZE)
        for metric, query in METRICS.items():
            if query == plain:
                return [[self._value(self.truth.expect[metric])]]
        if statement in INVARIANTS.values():
            return [[0]]
        if "revenue_daily" in statement:
            column = statement.split()[4]
            return [[day, Decimal(str(known[column]))] for day, known in self.truth.daily.items()]
        if statement.startswith("select source_file"):
            return [[file, *(known[part] for part in PARTS)] for file, known in self.truth.per_file.items()]
        assert statement.startswith("select distinct _source_file, _file_hash"), statement
        return [[file, digest] for file, digest in self.truth.files["invoice_lines"].items()]

    @staticmethod
    def _value(known: int | str) -> int | Decimal:
        return Decimal(known) if isinstance(known, str) else known

    def _poisoned(self) -> str:
        poison = self.truth.poison
        return self.truth.files["invoice_lines"][poison["file"]] if poison else ""


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    out = tmp_path_factory.mktemp("shop") / "input"
    return generate(out, days=6, seed=3, start=date(2025, 1, 1), scale=Scale(20, 100, 80))


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    out = tmp_path_factory.mktemp("shop") / "input"
    return generate(out, days=6, seed=3, start=date(2025, 1, 1), scale=Scale(20, 100, 80), poison_day=3)


def failed(lake: Lake) -> list[Check]:
    return [check for check in checks(lake.truth, lake) if not check.ok]


def test_a_lake_that_holds_the_truth_passes_every_check(truth: Truth) -> None:
    lake = Lake(truth)
    found = list(checks(truth, lake))
    assert [check for check in found if not check.ok] == []
    assert len(found) == len(METRICS) + len(INVARIANTS) + 5
    assert len(set(lake.asked)) == len(lake.asked) == len(found)


def test_every_metric_of_a_generated_truth_is_compared(truth: Truth) -> None:
    # The number of files is no figure of a table.
    assert set(truth.expect) - {"files"} == set(METRICS)


@pytest.mark.parametrize("metric", METRICS)
def test_a_figure_that_is_off_by_one_fails_its_check_alone(truth: Truth, metric: str) -> None:
    wrong = Decimal(str(truth.expect[metric])) + 1
    (check,) = failed(Lake(truth, {METRICS[metric]: [[wrong]]}))
    assert check.name == metric
    assert Decimal(check.actual) == Decimal(check.expected) + 1


@pytest.mark.parametrize("name", INVARIANTS)
def test_a_broken_invariant_fails_for_any_input(name: str) -> None:
    unknown = Truth(source="unknown", expect={}, files={})
    (check,) = failed(Lake(unknown, {INVARIANTS[name]: [[2]]}))
    assert (check.name, check.expected, check.actual) == (name, "0", "2")


def test_all_failures_are_listed_not_only_the_first(truth: Truth) -> None:
    lake = Lake(truth, {METRICS["sales"]: [[0]], METRICS["fees"]: [[-1]], "select cast(trade_date": []})
    assert [check.name for check in failed(lake)] == [
        "sales",
        "fees",
        "days whose gold revenue differs from the truth",
        "days whose gold returns differs from the truth",
        "days whose gold net value differs from the truth",
    ]


def test_money_is_compared_as_a_number(truth: Truth) -> None:
    known = replace(truth, expect={"net_value_gbp": "1500.5000"}, daily={}, per_file={})
    assert failed(Lake(known, {METRICS["net_value_gbp"]: [[Decimal("1500.5")]]})) == []
    assert len(failed(Lake(known, {METRICS["net_value_gbp"]: [[Decimal("1500.5001")]]}))) == 1
    zero = replace(known, expect={"net_value_gbp": "0.0000"})
    assert failed(Lake(zero, {METRICS["net_value_gbp"]: [[Decimal("-0.00")]]})) == []


def test_an_empty_sum_is_not_zero(truth: Truth) -> None:
    known = replace(truth, expect={"silver_net_value_gbp": "0.0000"}, daily={}, per_file={})
    assert len(failed(Lake(known, {METRICS["silver_net_value_gbp"]: [[None]]}))) == 1


def test_days_that_differ_are_named_with_both_values(truth: Truth) -> None:
    days = sorted(truth.daily)
    rows = [[day, Decimal(str(truth.daily[day]["revenue_gbp"]))] for day in days]
    rows[0][1] += 1
    rows[1][0] = "1999-12-31"
    lake = Lake(truth, {"cast(trade_date as varchar), revenue_gbp": rows})
    (check,) = failed(lake)
    assert check.name == "days whose gold revenue differs from the truth"
    assert check.actual.startswith("3 (1999-12-31: ")
    assert f"{days[0]}: " in check.actual
    assert f"{days[1]}: 0, not " in check.actual


def test_a_file_whose_balance_differs_is_named_with_the_part(truth: Truth) -> None:
    file = sorted(truth.per_file)[0]
    rows = [[name, *(known[part] for part in PARTS)] for name, known in truth.per_file.items() if name != file]
    (check,) = failed(Lake(truth, {"select source_file": rows}))
    lines = truth.per_file[file]["bronze_lines"]
    assert check.actual.startswith(f"5 ({file}: bronze_lines none, not {lines}; ")
    assert check.actual.endswith("; and 2 more)")


def test_a_file_that_the_truth_does_not_know_is_named(truth: Truth) -> None:
    rows = [[name, digest] for name, digest in truth.files["invoice_lines"].items()]
    (check,) = failed(Lake(truth, {"select distinct _source_file": [*rows, ["stranger.csv", "00"]]}))
    assert "quintet run --fresh" in check.name
    assert check.actual == "1 (stranger.csv)"


def test_a_question_that_is_refused_fails_its_check_and_the_next_is_asked(truth: Truth) -> None:
    refusal = LabError("Trino refused a statement: table fct_sales does not exist")
    found = failed(Lake(truth, {"fct_sales": refusal, "revenue_daily": refusal, "select source_file": refusal}))
    assert len(found) == 6
    assert {check.actual for check in found} == {refusal.message}


def test_a_trino_that_is_down_ends_the_proof(truth: Truth) -> None:
    with pytest.raises(ServiceDownError):
        failed(Lake(truth, {METRICS["fees"]: ServiceDownError("Trino does not answer")}))


def test_a_repaired_poison_day_counts_once_whether_it_landed_or_not(poisoned: Truth) -> None:
    assert poisoned.poison is not None
    name, digest = poisoned.poison["file"], poisoned.poison["repaired_sha256"]
    lake = Lake(poisoned)
    assert failed(lake) == []
    poison = poisoned.files["invoice_lines"][name]
    of_input = [question for question in lake.asked if question.startswith("select count(") and BRONZE in question]
    assert len([question for question in of_input if poison in question]) == 7
    landed = [[file, known] for file, known in poisoned.files["invoice_lines"].items()]
    assert failed(Lake(poisoned, {"select distinct _source_file": [*landed, [name, digest]]})) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "source": "x", "expect": {}, "more": 1}']
)
def test_a_damaged_truth_is_refused_with_its_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(VerifyError, match=r"truth\.json .*Generate the input again"):
        Truth.read(path)


def test_a_truth_is_read_as_it_was_written(truth: Truth, tmp_path: Path) -> None:
    truth.write(tmp_path / "one.json")
    again = Truth.read(tmp_path / "one.json")
    assert again == truth
    again.write(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_input_that_nobody_knows_has_no_metrics_and_keeps_the_invariants(tmp_path: Path) -> None:
    (tmp_path / "2025-01-01.csv").write_text("a,b\n", encoding="utf-8")
    unknown = facts.known(tmp_path)
    assert (unknown.source, unknown.expect) == ("unknown", {})
    assert [check.name for check in checks(unknown, Lake(unknown))][:-1] == list(INVARIANTS)
