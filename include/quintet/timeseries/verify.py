"""The proof of the project: what queries over HTTP answer, compared with the truth of the input.

For every metric and every figure (points, sum, least, greatest, last value, resets) one PromQL query gives all
series, and each must be the truth's to the last digit. SQL and the ledger of files must tell the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from quintet.check import Check
from quintet.errors import LabError, ServiceDownError
from quintet.timeseries.truth import SeriesTruth, Truth

__all__ = ["Ask", "checks"]


class Ask(Protocol):
    """The questions that a proof asks; `LabClient` answers them."""

    def query(self, query: str, at: int) -> list[dict[str, Any]]:
        """An instant query at a time in seconds."""

    def sql(self, statement: str) -> dict[str, Any]:
        """Answer of a SELECT: columns and rows."""


#: Figure -> PromQL over a selector with its range, and what a series' truth says.
FIGURES: Mapping[str, tuple[str, Callable[[SeriesTruth], float]]] = {
    "points": ("count_over_time({})", lambda facts: facts.points),
    # A sum of floats is rounded to the values' own step before it is compared.
    "sum": ("sum_over_time({})", lambda facts: facts.total),
    "least": ("min_over_time({})", lambda facts: facts.number(facts.low)),
    "greatest": ("max_over_time({})", lambda facts: facts.number(facts.high)),
    "last value": ("last_over_time({})", lambda facts: facts.number(facts.last)),
    "resets": ("resets({})", lambda facts: facts.resets),
}
#: Figures that say something of counters only.
OF_COUNTERS = {"resets": frozenset({"power_energy_wh", "web_requests"})}


def checks(truth: Truth, ask: Ask, ledger: Callable[[], set[str]]) -> Iterator[Check]:
    """Compare one thing after the other; a question that is refused is a check that fails, and the next is asked.

    Raises:
        ServiceDownError: nobody answers.

    """
    seconds = truth.end - truth.begin + 1
    for metric, series in truth.series.items():
        for figure, (query, wanted) in FIGURES.items():
            if metric in OF_COUNTERS.get(figure, {metric}):
                text = query.format(f'{metric}{{site="{truth.site}"}}[{seconds}s]')
                yield _compared(f"{metric}: {figure}", series, wanted, figure == "sum", text, truth, ask)
    site = f"labels['site'] = '{truth.site}'"
    counted = {
        "points of the site, by SQL": ("count(*)", site, truth.expect["points_kept"]),
        "series of the site, by SQL": ("count(DISTINCT (metric, labels))", site, truth.expect["series_kept"]),
        **{
            f"{metric}: points beyond the retention": ("count(*)", f"metric = '{metric}' AND {site}", 0)
            for metric in truth.expired
        },
    }
    for name, (what, where, number) in counted.items():
        yield _valued(name, number, partial(_count, ask, f"SELECT {what} FROM points WHERE {where}"))
    yield _valued("files that are not in the ledger", "none", lambda: _named(set(truth.files) - ledger()))


def _compared(
    name: str,
    series: Mapping[str, SeriesTruth],
    wanted: Callable[[SeriesTruth], float],
    is_sum: bool,
    query: str,
    truth: Truth,
    ask: Ask,
) -> Check:
    def look() -> str:
        found = {_labels(row["metric"]): float(row["value"][1]) for row in ask.query(query, truth.end)}
        for labels in sorted(found.keys() ^ series.keys()):
            return f"{labels} {'is missing' if labels in series else 'is not of the input'}"
        for labels, facts in series.items():
            value = round(found[labels] * 10**facts.places) if is_sum else found[labels]
            if value != wanted(facts):
                return f"{labels} gives {value}, not {wanted(facts)}"
        return expected

    total = sum(wanted(facts) for facts in series.values())
    expected = f"{len(series)} series, together {total:.12g}"
    return _valued(name, expected, look)


def _valued(name: str, expected: object, look: Callable[[], object]) -> Check:
    try:
        return Check(name, str(expected), str(look()))
    except ServiceDownError:
        raise
    except (LabError, IndexError, KeyError, ValueError) as error:
        return Check(name, str(expected), f"no answer: {error}")


def _count(ask: Ask, statement: str) -> Any:
    return ask.sql(statement)["rows"][0][0]


def _labels(metric: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(metric.items()) if name != "__name__")


def _named(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "none"
