"""How good the order of answers is: nDCG@10 over a judgement list.

Source: Järvelin and Kekäläinen 2002, with gains of 2^grade - 1 as in Burges et al. 2005; the ideal order is that of all
judged products of a query.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from quintet.errors import InputError

__all__ = ["DEPTH", "FLOOR", "Judged", "Relevance", "measure", "ndcg", "read_judged"]

#: Products that count, from the first; mean below which the search of a shop of 100,000 products is not good enough.
DEPTH, FLOOR = 10, 0.97


@dataclass(frozen=True)
class Judged:
    """A query with the grades of its products; products without a grade are not relevant."""

    text: str
    language: str
    kind: str
    grades: Mapping[int, int]


@dataclass(frozen=True)
class Relevance:
    """Mean nDCG@10 of all queries, of each kind and language, and the queries that are worst."""

    mean: float
    queries: int
    by_kind: Mapping[str, float]
    by_language: Mapping[str, float]
    worst: Sequence[tuple[float, str, str, str]]


def ndcg(found: Sequence[int], grades: Mapping[int, int], depth: int = DEPTH) -> float:
    """NDCG of an answer, 0 to 1; 1 for a query without relevant products."""
    ideal = _gained(sorted(grades.values(), reverse=True)[:depth])
    return _gained([grades.get(product, 0) for product in found[:depth]]) / ideal if ideal else 1.0


def measure(search: Callable[[str, str], Sequence[int]], judged: Sequence[Judged]) -> Relevance:
    """Ask every query, text and language, and measure the answers."""
    scores = [(ndcg(search(query.text, query.language), query.grades), query) for query in judged]
    kinds: dict[str, list[float]] = defaultdict(list)
    languages: dict[str, list[float]] = defaultdict(list)
    for score, query in scores:
        kinds[query.kind].append(score)
        languages[query.language].append(score)
    worst = sorted((round(score, 4), query.language, query.kind, query.text) for score, query in scores)[:15]
    return Relevance(
        mean=_mean([score for score, _ in scores]),
        queries=len(scores),
        by_kind={name: _mean(values) for name, values in sorted(kinds.items())},
        by_language={name: _mean(values) for name, values in sorted(languages.items())},
        worst=worst,
    )


def read_judged(catalogue: Path) -> list[Judged]:
    """Judged queries of a catalogue.

    Raises:
        InputError: there are none.

    """
    try:
        queries = pq.read_table(catalogue / "queries.parquet").to_pylist()
        rows = pq.read_table(catalogue / "judgements.parquet").to_pydict()
    except OSError as error:
        raise InputError(
            f"the judgement list in {catalogue} cannot be read ({error})", remedy="Run: quintet generate ecommerce"
        ) from error
    grades: dict[int, dict[int, int]] = defaultdict(dict)
    for query, product, grade in zip(rows["query_id"], rows["product_id"], rows["grade"], strict=True):
        grades[query][product] = grade
    return [
        Judged(row["query"], row["language"], row["kind"], grades[row["query_id"]])
        for row in queries
        if row["is_judged"]
    ]


def _gained(grades: Sequence[int]) -> float:
    return math.fsum((2.0**grade - 1) / math.log2(place + 2) for place, grade in enumerate(grades))


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
