"""What people search for, and which products answer it: the judgement list of the search.

A query asks for a type of product in one language, by its usual word, a synonym or a misspelling, alone or with one
attribute. A product that has all that is asked for is relevant with grade 3, one of the type without the attribute with
grade 1. Queries for things that nobody sells have no relevant product.

Source: own derivation; grades as in TREC's graded judgements, to be measured by nDCG@10 (Järvelin and Kekäläinen 2002).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from quintet.ecommerce.assortment import BRANDS, Assortment
from quintet.ecommerce.draws import Array, Weights, zipf
from quintet.ecommerce.words import LANGUAGES, words

__all__ = ["CLICKABLE", "EXACT", "PARTIAL", "Queries", "Query"]

EXACT, PARTIAL = 3, 1
#: Products of an answer that somebody may click, from the popular end.
CLICKABLE = 24
#: Kind of query -> how many there are in each language.
_KINDS = {
    "word": 100,
    "synonym": 60,
    "colour": 80,
    "material": 60,
    "brand": 60,
    "feature": 40,
    "misspelt": 50,
    "unknown": 20,
}
#: Queries of each kind and language that go into the judgement list.
_JUDGED = 14
_LETTERS = "aeiourstlnmd"


@dataclass(frozen=True)
class Query:
    """One query; attributes that are not asked for are None. Numbers are places in `words()` and `BRANDS`."""

    text: str
    language: str
    kind: str
    type: int | None
    attribute: str | None = None
    value: int | None = None
    is_judged: bool = False


class Queries:
    """The queries of one seed, by language, popular ones first.

    Shapes: `results` int64[queries]; `clickable` int64[queries, CLICKABLE], filled with -1; `first` int64[languages +
    1], places where a language begins.
    """

    def __init__(self, assortment: Assortment) -> None:
        self._assortment = assortment
        random = Random(assortment.seed * 31 + 5)  # noqa: S311 - data, not secrets
        self.all: list[Query] = []
        first = [0]
        for language in LANGUAGES:
            found = list(_of_language(language, random))
            random.shuffle(found)
            self.all += found
            first.append(len(self.all))
        self.first = np.array(first)
        answers = [self.answer(query) for query in self.all]
        self.results = np.array([len(products) for products in answers], np.int64)
        self.clickable = np.array(
            [[*products[:CLICKABLE], *([-1] * (CLICKABLE - len(products)))] for products in answers], np.int64
        )
        self._weights: list[Weights] = [
            zipf(int(end - begin), exponent=0.8) for begin, end in zip(self.first, self.first[1:], strict=False)
        ]

    def answer(self, query: Query, *, exactly: bool = True) -> Array:
        """Products that have all that is asked for, popular first; else those of the type without the attribute."""
        if query.type is None:
            return np.empty(0, np.int64)
        step = len(words().types)
        of_type = np.arange(query.type, self._assortment.count, step)
        if query.attribute is None or query.value is None:
            return of_type if exactly else of_type[:0]
        has = self._assortment.attribute(query.attribute)[of_type] == query.value
        if query.attribute == "feature":
            has |= self._assortment.attribute("other_feature")[of_type] == query.value
        return of_type[has == exactly]

    def draw(self, rng: np.random.Generator, languages: Array) -> Array:
        """For each language a query of it, popular ones more often."""
        found = np.empty(len(languages), np.int64)
        for place, weights in enumerate(self._weights):
            asked = languages == place
            found[asked] = self.first[place] + weights.draw(rng, int(asked.sum()))
        return found


def _of_language(language: str, random: Random) -> Iterator[Query]:
    known = words()
    types = list(range(len(known.types)))
    seen: set[str] = set()
    for kind, count in _KINDS.items():
        made = 0
        for place in random.sample(types, min(count, len(types))):
            query = _query(kind, language, place, random)
            # One text stands for one thing in a language.
            if query.text not in seen:
                seen.add(query.text)
                yield replace(query, is_judged=made < _JUDGED and kind != "unknown")
                made += 1


def _query(kind: str, language: str, place: int, random: Random) -> Query:
    known = words()
    usual, *synonyms = known.types[place].forms[language]
    category = known.categories[known.types[place].category]
    if kind == "synonym":
        return Query(synonyms[0].lower(), language, kind, place)
    if kind == "colour":
        value = random.randrange(len(known.colours))
        return Query(_both(usual, known.colours[value].text(language), language), language, kind, place, kind, value)
    if kind == "material":
        value = random.choice(category.materials)
        return Query(_both(usual, known.materials[value].text(language), language), language, kind, place, kind, value)
    if kind == "brand":
        value = random.randrange(len(BRANDS))
        return Query(f"{BRANDS[value]} {usual}".lower(), language, kind, place, kind, value)
    if kind == "feature":
        value = random.choice(category.features)
        return Query(f"{usual} {known.features[value].text(language)}".lower(), language, kind, place, kind, value)
    if kind == "misspelt":
        return Query(_misspelt(usual.lower(), random), language, kind, place)
    if kind == "unknown":
        return Query(
            "".join(random.choice("bcdfgjklpvxz") + random.choice("aeiou") for _ in range(4)), language, kind, None
        )
    return Query(usual.lower(), language, kind, place)


def _both(noun: str, attribute: str, language: str) -> str:
    return (f"{attribute} {noun}" if language == "en" else f"{noun} {attribute}").lower()


def _misspelt(word: str, random: Random) -> str:
    """One letter left out, doubled, exchanged with its neighbour or replaced; never the first."""
    places = [place for place in range(1, len(word) - 1) if word[place].isalpha() and word[place + 1].isalpha()]
    place = random.choice(places)
    before, letter, after = word[:place], word[place], word[place + 1 :]
    wrong = random.choice([other for other in _LETTERS if other != letter])
    ways = [before + after, before + letter + word[place:], before + wrong + after]
    if letter != after[0]:
        ways.append(before + after[0] + letter + after[1:])
    return random.choice(ways)
