"""Documents of a catalogue: the Parquet tables that the shop's generator writes, or any of the same columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from quintet.ecommerce.words import LANGUAGES
from quintet.errors import InputError

__all__ = ["Catalogue", "Stock"]

#: Rows that become documents at a time.
_ROWS = 2000
_PLAIN = ("product_id", "category", "type", "brand", "colour", "material", "tags", "rating", "ratings", "warehouse_id")


@dataclass(frozen=True)
class Stock:
    """Stock of a product as an index has it; `offset` -1: no change of the topic is in it."""

    pieces: int
    offset: int = -1
    short_at: int | None = None


class Catalogue:
    """The tables of one folder.

    Raises:
        InputError: a table is absent or cannot be read.

    """

    def __init__(self, folder: Path) -> None:
        self._products = _read(folder / "products.parquet")
        self._texts = {language: _read(folder / f"texts_{language}.parquet") for language in LANGUAGES}
        self._also: dict[str, dict[str, list[str]]] = {language: defaultdict(list) for language in LANGUAGES}
        self._kinds: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
        for row in _read(folder / "synonyms.parquet").to_pylist():
            self._kinds[row["language"]][row["type"]] = row["word"]
            self._also[row["language"]][row["type"]].append(row["synonym"])
        for language, table in self._texts.items():
            if table.column("product_id") != self._products.column("product_id"):
                raise InputError(
                    f"{folder}: texts_{language}.parquet has other products than products.parquet",
                    remedy="Generate the catalogue again",
                )

    def __len__(self) -> int:
        return int(self._products.num_rows)

    def synonyms(self) -> dict[str, list[str]]:
        """By language lines of words that mean the same."""
        return {
            language: [", ".join([word, *self._also[language][kind]]) for kind, word in sorted(kinds.items())]
            for language, kinds in self._kinds.items()
        }

    def products(self, stock: Mapping[int, Stock] | None = None) -> Iterator[list[dict[str, Any]]]:
        """Documents in batches; the stock is the catalogue's but for products in `stock`."""
        known = stock or {}
        for begin in range(0, len(self), _ROWS):
            texts = {language: table.slice(begin, _ROWS).to_pylist() for language, table in self._texts.items()}
            yield [
                self._document(row, {language: rows[place] for language, rows in texts.items()}, known)
                for place, row in enumerate(self._products.slice(begin, _ROWS).to_pylist())
            ]

    def suggestions(self) -> Iterator[dict[str, Any]]:
        """Documents of completions: types, their synonyms, categories, brands, and brands with what they make."""
        columns = {name: self._products.column(name).to_pylist() for name in ("type", "category", "brand")}
        rows = list(zip(columns["type"], columns["category"], columns["brand"], strict=True))
        types = Counter((kind, category) for kind, category, _ in rows)
        made = Counter(rows)
        brands = Counter(columns["brand"])
        for language in LANGUAGES:
            for (kind, category), count in sorted(types.items()):
                word = self._kinds[language].get(kind)
                if word is None:
                    continue
                yield _completion(word, "type", 4 * count, language, category)
                for synonym in self._also[language][kind]:
                    yield _completion(synonym, "type", 2 * count, language, category)
            for (kind, category, brand), count in sorted(made.items()):
                word = self._kinds[language].get(kind)
                if word is not None:
                    yield _completion(f"{brand} {word}", "brand_and_type", count, language, category)
            for brand, count in sorted(brands.items()):
                yield _completion(brand, "brand", count, language, None)
            names = self._texts[language].column("category").to_pylist()
            groups = Counter(zip(names, columns["category"], strict=True))
            for (group, category), count in sorted(groups.items()):
                yield _completion(group, "category", count, language, category)

    def _document(
        self, row: dict[str, Any], texts: Mapping[str, dict[str, Any]], known: Mapping[int, Stock]
    ) -> dict[str, Any]:
        kind = row["type"]
        found = known.get(row["product_id"]) or Stock(row["inventory_count"])
        return {
            **{name: row[name] for name in _PLAIN},
            "name": {language: text["name"] for language, text in texts.items()},
            "description": {language: text["description"] for language, text in texts.items()},
            "group": {language: text["category"] for language, text in texts.items()},
            "kind": {language: self._kinds[language].get(kind, kind) for language in LANGUAGES},
            "also": {language: self._also[language][kind] for language in LANGUAGES},
            "price": float(row["price"]),
            # A rank feature is above zero; many good ratings are worth more than few.
            "popularity": 1 + row["ratings"] * row["rating"] / 5,
            "created_at": int(row["created_at"].timestamp() * 1000),
            "location": {"lat": row["latitude"], "lon": row["longitude"]},
            "reorder_point": row["reorder_point"],
            "inventory_count": found.pieces,
            "stock_offset": found.offset,
            **({} if found.short_at is None else {"short_at": found.short_at}),
        }


def _completion(text: str, kind: str, weight: int, language: str, category: str | None) -> dict[str, Any]:
    within = [language, *([f"{language}:{category}"] if category else [])]
    # A text may be found from each of its words.
    words = text.split()
    inputs = [" ".join(words[place:]) for place in range(len(words))]
    return {
        "text": text,
        "kind": kind,
        "completion": {"input": inputs, "weight": weight, "contexts": {"within": within}},
    }


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"the table {path} of the catalogue cannot be read ({error})", remedy="Run: quintet generate ecommerce"
        ) from error
