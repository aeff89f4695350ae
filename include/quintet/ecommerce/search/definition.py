"""What the indices are like: fields of a product in every language, analysers, the vocabulary of completions.

A product is one document with its texts in all languages; a search looks at those of its language. Synonyms are words
of the search, not of the index, and lie in the index' settings: a new list comes with a new index.

Source: OpenSearch documentation, "Language analyzers", "Synonym graph", "Completion", "Rank feature".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quintet.catalogue.ecommerce import SLUG
from quintet.ecommerce.words import LANGUAGES

__all__ = ["PRODUCTS", "SUGGESTIONS", "product_index", "suggestion_index"]

#: Aliases; the indices behind them carry the time of their making.
PRODUCTS, SUGGESTIONS = f"{SLUG}-products", f"{SLUG}-suggestions"

_STEMMERS = {"en": "english", "de": "light_german", "fr": "light_french", "es": "light_spanish"}
#: Before synonyms and stems: letters of one kind, and what a language glues to its words.
_EVENED: Mapping[str, Sequence[str]] = {
    "en": ("lowercase", "possessive_en", "asciifolding"),
    "de": ("lowercase", "german_normalization", "asciifolding"),
    "fr": ("lowercase", "elision_fr", "asciifolding"),
    "es": ("lowercase", "asciifolding"),
}
_ELIDED = ["l", "m", "t", "qu", "n", "s", "j", "d", "c", "jusqu", "quoiqu", "lorsqu", "puisqu"]
_KEYWORD = {"type": "keyword"}


def product_index(synonyms: Mapping[str, Sequence[str]], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and mappings of the index of products.

    Args:
        synonyms: by language lines of words that mean the same, as `sofa, couch`.
        meta: what the index says of itself; `stock_offsets` is where the feed goes on.

    """
    return {
        "settings": {
            "number_of_shards": 1,
            # No copy where there is one node, one where there are more.
            "auto_expand_replicas": "0-1",
            # A product must be seen with its new stock within seconds.
            "refresh_interval": "1s",
            "analysis": _analysis(synonyms),
        },
        "mappings": {"dynamic": "strict", "_meta": dict(meta), "properties": _fields()},
    }


def suggestion_index() -> dict[str, Any]:
    """Settings and mappings of the index of completions; the context is a language or `language:category`."""
    analysis = {
        "analyzer": {
            "plain": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "asciifolding"]},
        }
    }
    return {
        "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "analysis": analysis},
        "mappings": {
            "dynamic": "strict",
            "properties": {
                "text": {"type": "keyword", "index": False},
                "kind": _KEYWORD,
                "completion": {
                    "type": "completion",
                    "analyzer": "plain",
                    "max_input_length": 60,
                    "contexts": [{"name": "within", "type": "category"}],
                },
            },
        },
    }


def _analysis(synonyms: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    filters: dict[str, Any] = {
        "possessive_en": {"type": "stemmer", "language": "possessive_english"},
        "elision_fr": {"type": "elision", "articles_case": True, "articles": _ELIDED},
    }
    analysers: dict[str, Any] = {
        # As people write it: what corrections are taken from.
        "written": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase"]}
    }
    for language in LANGUAGES:
        evened, stem = list(_EVENED[language]), f"stem_{language}"
        filters[stem] = {"type": "stemmer", "language": _STEMMERS[language]}
        filters[f"synonyms_{language}"] = {"type": "synonym_graph", "synonyms": list(synonyms.get(language, ()))}
        analysers[f"index_{language}"] = {"type": "custom", "tokenizer": "standard", "filter": [*evened, stem]}
        analysers[f"search_{language}"] = {
            "type": "custom",
            "tokenizer": "standard",
            "filter": [*evened, f"synonyms_{language}", stem],
        }
    return {"filter": filters, "analyzer": analysers}


def _fields() -> dict[str, Any]:
    everything = [f"all.{language}" for language in LANGUAGES]
    texts = {
        name: {"properties": {language: _text(language, *copied) for language in LANGUAGES}}
        for name, copied in {
            "name": ("all", "spell"),
            "description": ("all", "spell"),
            # Word of the type and of the category.
            "kind": ("all",),
            "group": ("all",),
            # What is searched, whichever field it is in.
            "all": (),
        }.items()
    }
    written = {"type": "text", "analyzer": "written", "norms": False, "index_options": "docs"}
    return {
        **texts,
        "spell": {"properties": dict.fromkeys(LANGUAGES, written)},
        # Synonyms of the type: a misspelt one is corrected to it.
        "also": {
            "properties": {
                language: {"type": "keyword", "index": False, "doc_values": False, "copy_to": [f"spell.{language}"]}
                for language in LANGUAGES
            }
        },
        "product_id": {"type": "long"},
        "brand": {**_KEYWORD, "copy_to": [*everything, "maker"]},
        "maker": {"type": "text", "analyzer": "written"},
        **dict.fromkeys(("category", "type", "colour", "material", "tags"), _KEYWORD),
        "price": {"type": "scaled_float", "scaling_factor": 100},
        "rating": {"type": "float"},
        "ratings": {"type": "integer"},
        "popularity": {"type": "rank_feature"},
        "created_at": {"type": "date", "format": "epoch_millis"},
        "location": {"type": "geo_point"},
        "warehouse_id": {"type": "integer"},
        "inventory_count": {"type": "integer"},
        "reorder_point": {"type": "integer"},
        # Place in the topic of the last change of the stock that is in it; since when it is short.
        "stock_offset": {"type": "long", "index": False},
        "short_at": {"type": "date", "format": "epoch_millis"},
    }


def _text(language: str, *copied: str) -> dict[str, Any]:
    return {
        "type": "text",
        "analyzer": f"index_{language}",
        "search_analyzer": f"search_{language}",
        **({"copy_to": [f"{name}.{language}" for name in copied]} if copied else {}),
    }
