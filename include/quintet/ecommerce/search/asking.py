"""The questions to OpenSearch: a search, its corrections, completions.

What is typed reaches OpenSearch as a value of `match`, never as syntax. All words have to be found, in whichever field
of the language; where decides about the order: the type of product weighs most, then name and brand. Ratings, stock
and taste only order what the words leave equal.

Source: own derivation; the measure is nDCG@10 over the judgement list of the generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from quintet.ecommerce.search.asked import FACETS, Asked, Sort

__all__ = ["PRICES", "RATINGS", "Taste", "completions", "corrections", "search"]

#: Attribute of a product -> its value -> share of a user's recent behaviour, 0 to 1.
Taste = Mapping[str, Mapping[str, float]]

#: Where words are found -> what it is worth.
_WORTH = {"kind": 4.0, "name": 1.5, "group": 0.7, "description": 0.5}
_BRAND, _TYPE_AS_PHRASE = 2.0, 3.0
_POPULAR, _THERE = 0.3, 0.3
#: Of two or three words one is enough, of four two.
_SOME = "50%"
#: The most that one attribute of a user's taste adds.
_TASTE = 0.8
#: Bounds of the facets, euros and stars.
PRICES = (25.0, 100.0, 500.0)
RATINGS = (4.0, 3.0)
_COUNTED = 20
_RETURNED = (
    *("product_id", "brand", "category", "type", "colour", "material", "tags", "price", "rating", "ratings"),
    *("inventory_count", "location", "created_at", "warehouse_id"),
)
_SORTS: Mapping[Sort, dict[str, Any]] = {
    Sort.relevance: {"_score": "desc"},
    Sort.price_asc: {"price": "asc"},
    Sort.price_desc: {"price": "desc"},
    Sort.rating: {"rating": "desc"},
    Sort.newest: {"created_at": "desc"},
}


def search(asked: Asked, text: str, *, taste: Taste | None = None, way: str = "all") -> dict[str, Any]:
    """Body of a search.

    Args:
        asked: what was asked; its text is not looked at.
        text: what is searched for.
        taste: of the user.
        way: `all` words are wanted, or `some` of them.

    """
    language = asked.lang.value
    body: dict[str, Any] = {
        "from": (asked.page - 1) * asked.size,
        "size": asked.size,
        "track_total_hits": 10_000,
        "query": {"bool": _scored(text, language, taste or {}, way) | {"filter": _fixed(asked)}},
        # Of equal ones the smaller number comes first, on every page.
        "sort": [_geo(asked) if asked.sort is Sort.distance else _SORTS[asked.sort], {"product_id": "asc"}],
        "_source": [*_RETURNED, *(f"{name}.{language}" for name in ("name", "description", "group", "kind"))],
    }
    chosen = _chosen(asked)
    if chosen:
        # Behind the counting: the other values of a filter go on being counted.
        body["post_filter"] = {"bool": {"filter": list(chosen.values())}}
    if asked.facets:
        body["aggs"] = _counted(chosen)
    return body


def corrections(text: str, language: str) -> dict[str, Any]:
    """Body that asks for the known word nearest to each unknown word of a text."""
    return {
        "size": 0,
        "suggest": {
            "text": text,
            "words": {
                "term": {
                    "field": f"spell.{language}",
                    "suggest_mode": "missing",
                    "size": 1,
                    "sort": "score",
                    "max_edits": 2,
                    # The first letter is seldom wrong.
                    "prefix_length": 1,
                    "min_word_length": 2,
                }
            },
        },
    }


def completions(prefix: str, language: str, category: str | None, size: int) -> dict[str, Any]:
    """Body that asks for what a text may become, within a category where one is named."""
    within = f"{language}:{category}" if category else language
    completion: dict[str, Any] = {
        "field": "completion",
        "size": size,
        "skip_duplicates": True,
        "contexts": {"within": [within]},
    }
    fuzzy = {"fuzziness": "AUTO:4,8", "prefix_length": 1}
    return {
        "_source": ["text", "kind"],
        "suggest": {
            "as_typed": {"prefix": prefix, "completion": completion},
            "nearly": {"prefix": prefix, "completion": completion | {"fuzzy": fuzzy}},
        },
    }


def _scored(text: str, language: str, taste: Taste, way: str) -> dict[str, Any]:
    ordering: list[dict[str, Any]] = [
        {"rank_feature": {"field": "popularity", "boost": _POPULAR}},
        {"constant_score": {"filter": {"range": {"inventory_count": {"gt": 0}}}, "boost": _THERE}},
        *(
            {"constant_score": {"filter": {"term": {name: value}}, "boost": round(_TASTE * share, 3)}}
            for name, shares in taste.items()
            for value, share in shares.items()
        ),
    ]
    if not text:
        return {"must": [{"match_all": {}}], "should": ordering}
    wanted = {"query": text, "minimum_should_match": _SOME} if way == "some" else {"query": text, "operator": "and"}
    found = [{"match": {f"{name}.{language}": {"query": text, "boost": worth}}} for name, worth in _WORTH.items()]
    return {
        # Whether it is found is one question, how well another: the first is not scored.
        "must": [{"constant_score": {"filter": {"match": {f"all.{language}": wanted}}, "boost": 0.1}}],
        "should": [
            *found,
            {"match_phrase": {f"kind.{language}": {"query": text, "boost": _TYPE_AS_PHRASE}}},
            {"match": {"maker": {"query": text, "boost": _BRAND}}},
            *ordering,
        ],
    }


def _fixed(asked: Asked) -> list[dict[str, Any]]:
    """Filters that hold for the answer and for what is counted."""
    filters: list[dict[str, Any]] = []
    bounds = {"gte": asked.min_price, "lte": asked.max_price}
    if price := {name: value for name, value in bounds.items() if value is not None}:
        filters.append({"range": {"price": price}})
    if asked.min_rating is not None:
        filters.append({"range": {"rating": {"gte": asked.min_rating}}})
    if asked.in_stock:
        filters.append({"range": {"inventory_count": {"gt": 0}}})
    if asked.distance_km is not None:
        place = {"lat": asked.lat, "lon": asked.lon}
        filters.append({"geo_distance": {"distance": f"{asked.distance_km}km", "location": place}})
    return filters


def _chosen(asked: Asked) -> dict[str, dict[str, Any]]:
    return {name: {"terms": {name: asked.values(name)}} for name in FACETS if asked.values(name)}


def _counted(chosen: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Counts of each facet under the filters of the others."""
    counted: dict[str, dict[str, Any]] = {name: {"terms": {"field": name, "size": _COUNTED}} for name in FACETS}
    edges = [None, *PRICES, None]
    counted["price"] = {
        "range": {
            "field": "price",
            "ranges": [
                {key: value for key, value in (("from", low), ("to", high)) if value is not None}
                for low, high in pairwise(edges)
            ],
        }
    }
    counted["rating"] = {"range": {"field": "rating", "ranges": [{"from": stars} for stars in RATINGS]}}
    counted["in_stock"] = {"filter": {"range": {"inventory_count": {"gt": 0}}}}
    found: dict[str, Any] = {}
    for name, counting in counted.items():
        others = [part for key, part in chosen.items() if key != name]
        found[name] = {"filter": {"bool": {"filter": others}}, "aggs": {"values": counting}} if others else counting
    return found


def _geo(asked: Asked) -> dict[str, Any]:
    return {"_geo_distance": {"location": {"lat": asked.lat, "lon": asked.lon}, "order": "asc", "unit": "km"}}
