"""The words of the catalogue, read from `words.txt`: categories, types of product, attributes, in every language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["LANGUAGES", "Category", "Kind", "Word", "Words", "words"]

LANGUAGES = ("en", "de", "fr", "es")
_FILE = Path(__file__).with_name("words.txt")


@dataclass(frozen=True)
class Word:
    """One notion: by language its words, the usual one first and synonyms behind it."""

    key: str
    forms: Mapping[str, tuple[str, ...]]

    def text(self, language: str) -> str:
        """The usual word of a language."""
        return self.forms[language][0]


@dataclass(frozen=True)
class Category(Word):
    """A category, with the attributes that fit it: numbers of materials and features."""

    materials: tuple[int, ...]
    features: tuple[int, ...]


@dataclass(frozen=True)
class Kind(Word):
    """A type of product: number of its category, lowest and highest price in cents."""

    category: int
    lowest: int
    highest: int


@dataclass(frozen=True)
class Words:
    """All of them; numbers elsewhere are places in these."""

    categories: tuple[Category, ...]
    types: tuple[Kind, ...]
    colours: tuple[Word, ...]
    materials: tuple[Word, ...]
    features: tuple[Word, ...]
    uses: tuple[Word, ...]
    sentences: Mapping[str, Mapping[str, str]]


@cache
def words() -> Words:
    """The words of this release."""
    sections = _sections(_FILE.read_text(encoding="utf-8"))
    plain = {
        kind: tuple(_word(line) for line in sections[kind])
        for kind in ("colour", "material", "feature", "use", "sentence")
    }
    fitting = {
        kind: {key: tuple(keys.split()) for key, keys in map(_halves, sections[f"{kind}s of category"])}
        for kind in ("material", "feature")
    }
    places = {kind: {word.key: place for place, word in enumerate(plain[kind])} for kind in ("material", "feature")}
    categories: list[Category] = []
    types: list[Kind] = []
    for title, lines in sections.items():
        if not title.startswith("category "):
            continue
        head = _word(title.removeprefix("category "))
        chosen = {kind: tuple(places[kind][key] for key in fitting[kind][head.key]) for kind in fitting}
        for line in lines:
            word = _word(line)
            key, prices = word.key.split()
            lowest, highest = (int(price) * 100 for price in prices.split("-"))
            types.append(Kind(key, word.forms, len(categories), lowest, highest))
        categories.append(Category(head.key, head.forms, chosen["material"], chosen["feature"]))
    return Words(
        categories=tuple(categories),
        types=tuple(types),
        colours=plain["colour"],
        materials=plain["material"],
        features=plain["feature"],
        uses=plain["use"],
        # A sentence has commas of its own and no synonyms.
        sentences={
            word.key: {language: ", ".join(word.forms[language]) for language in LANGUAGES}
            for word in plain["sentence"]
        },
    )


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("["):
            lines = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


def _halves(line: str) -> tuple[str, str]:
    key, _, rest = line.partition(" | ")
    return key, rest


def _word(line: str) -> Word:
    key, *cells = line.split(" | ")
    forms = {language: tuple(cell.split(", ")) for language, cell in zip(LANGUAGES, cells, strict=True)}
    return Word(key, forms)
