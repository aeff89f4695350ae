"""What the service answers, and how it is read from answers of OpenSearch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from quintet.ecommerce.search.asked import FACETS, Asked

__all__ = [
    "Completion",
    "Completions",
    "Found",
    "Product",
    "corrected",
    "read_completions",
    "read_found",
    "read_product",
]

_EARTH_KM = 6371.0


class Product(BaseModel):
    """A product in the language that was asked for."""

    product_id: int
    name: str
    description: str
    category: str
    category_name: str
    type: str
    type_name: str
    brand: str
    colour: str
    material: str
    tags: list[str]
    price: float = Field(description="euros")
    rating: float
    ratings: int
    inventory_count: int = Field(description="pieces; not below 0")
    in_stock: bool
    latitude: float
    longitude: float
    distance_km: float | None = Field(None, description="from lat, lon where they were given")
    created_at: datetime
    score: float | None = Field(None, description="None where another order than relevance was asked for")


class Count(BaseModel):
    """A value of a facet and how many products have it; of a range its bounds."""

    value: str
    count: int


class Found(BaseModel):
    """Answer of a search."""

    total: int = Field(description="products that fit; counted up to 10,000")
    matched: str = Field(description="as_typed, corrected, some_words or nothing")
    did_you_mean: str | None = None
    is_personal: bool = False
    page: int
    size: int
    took_ms: float = 0.0
    products: list[Product]
    facets: dict[str, list[Count]]


class Completion(BaseModel):
    """What a text may become; `kind`: type, brand, brand_and_type or category."""

    text: str
    kind: str


class Completions(BaseModel):
    """Answer of autocomplete."""

    completions: list[Completion]


def read_found(asked: Asked, answer: Mapping[str, Any], *, matched: str) -> Found:
    """Answer of a search, from OpenSearch's."""
    hits = answer["hits"]
    total = hits["total"]["value"]
    return Found(
        total=total,
        matched=matched if total else "nothing",
        page=asked.page,
        size=asked.size,
        products=[read_product(asked, hit) for hit in hits["hits"]],
        facets={name: _counts(name, found) for name, found in answer.get("aggregations", {}).items()},
    )


def corrected(text: str, answer: Mapping[str, Any]) -> str | None:
    """The text with the words that were suggested; None: nothing was."""
    found = text
    # From behind, so that places in front stay.
    for entry in sorted(answer.get("suggest", {}).get("words", ()), key=lambda one: -one["offset"]):
        if entry["options"]:
            begin, end = entry["offset"], entry["offset"] + entry["length"]
            found = found[:begin] + entry["options"][0]["text"] + found[end:]
    return found if found.casefold() != text.casefold() else None


def read_completions(answer: Mapping[str, Any], size: int) -> Completions:
    """Completions, those of what was typed before those of what it may have meant."""
    found: dict[str, Completion] = {}
    for name in ("as_typed", "nearly"):
        for entry in answer["suggest"][name]:
            for option in entry["options"]:
                source = option["_source"]
                found.setdefault(source["text"].casefold(), Completion(text=source["text"], kind=source["kind"]))
    return Completions(completions=list(found.values())[:size])


def read_product(asked: Asked, hit: Mapping[str, Any]) -> Product:
    """A product in the language that was asked for, from a document."""
    source, language = hit["_source"], asked.lang.value
    place, pieces = source["location"], max(0, source["inventory_count"])
    return Product(
        **{name: source[name] for name in ("product_id", "category", "type", "brand", "colour", "material", "tags")},
        **{name: source[name] for name in ("price", "rating", "ratings")},
        name=source["name"][language],
        description=source["description"][language],
        category_name=source["group"][language],
        type_name=source["kind"][language],
        inventory_count=pieces,
        in_stock=pieces > 0,
        latitude=place["lat"],
        longitude=place["lon"],
        distance_km=_distance_km(asked, place),
        created_at=datetime.fromtimestamp(source["created_at"] / 1000, UTC),
        score=hit.get("_score"),
    )


def _counts(name: str, found: Mapping[str, Any]) -> list[Count]:
    inner = found.get("values", found)
    if name == "in_stock":
        return [Count(value="true", count=inner["doc_count"])]
    if name in FACETS:
        return [Count(value=bucket["key"], count=bucket["doc_count"]) for bucket in inner["buckets"]]
    return [Count(value=_span(bucket), count=bucket["doc_count"]) for bucket in inner["buckets"]]


def _span(bucket: Mapping[str, Any]) -> str:
    low, high = (f"{bucket[name]:g}" if name in bucket else "" for name in ("from", "to"))
    return f"{low}-{high}"


def _distance_km(asked: Asked, place: Mapping[str, float]) -> float | None:
    """Along the great circle. Source: haversine formula."""
    if asked.lat is None or asked.lon is None:
        return None
    one, other = math.radians(asked.lat), math.radians(place["lat"])
    across = math.radians(place["lon"] - asked.lon)
    half = math.sin((other - one) / 2) ** 2 + math.cos(one) * math.cos(other) * math.sin(across / 2) ** 2
    return round(2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half))), 1)
