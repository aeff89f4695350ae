"""Parameters of a search, checked: what is too large, too deep or no text is refused before OpenSearch hears of it."""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = ["DEEPEST", "FACETS", "LONGEST", "Asked", "Language", "Sort", "Text", "Within"]

#: Characters of a text, products up to which one may page, values of one filter.
LONGEST, DEEPEST, _VALUES = 200, 1000, 20
#: Signs that texts of shoppers have beside letters, digits and spaces.
_SIGNS = frozenset(".,'’`´\"“”„«»-–+&/%()#!¡?¿:°_²³½×")
#: Filters by value, which are counted as facets, too.
FACETS = ("category", "type", "brand", "colour", "material", "tags")


class Language(StrEnum):
    """Language of the texts that are searched and answered."""

    en = "en"
    de = "de"
    fr = "fr"
    es = "es"


class Sort(StrEnum):
    """Order of the answer."""

    relevance = "relevance"
    price_asc = "price_asc"
    price_desc = "price_desc"
    rating = "rating"
    newest = "newest"
    distance = "distance"


def _shopper(text: str) -> str:
    for sign in text:
        if sign not in _SIGNS and not sign.isspace() and unicodedata.category(sign)[0] not in "LMN":
            shown = sign if sign.isprintable() else f"U+{ord(sign):04X}"
            raise ValueError(f"holds {shown!r}: send words, as a shopper writes them")
        if sign.isspace() and sign != " ":
            raise ValueError("holds a tab or a line break: send one line of words")
    return " ".join(text.split())


#: What somebody typed.
Text = Annotated[str, Field(max_length=LONGEST), AfterValidator(_shopper)]
#: A value of a filter, as facets name it.
Value = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_ -]+$")]
Values = Annotated[list[Value], Field(default_factory=list, max_length=_VALUES)]


class Within(BaseModel):
    """Filters: of several values of one filter a product has one, of several filters it fits all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: Values = Field(default_factory=list)
    type: Values = Field(default_factory=list)
    brand: Values = Field(default_factory=list)
    colour: Values = Field(default_factory=list)
    material: Values = Field(default_factory=list)
    tags: Values = Field(default_factory=list)
    min_price: float | None = Field(None, ge=0, le=1e7, description="euros")
    max_price: float | None = Field(None, ge=0, le=1e7, description="euros")
    min_rating: float | None = Field(None, ge=0, le=5)
    in_stock: bool = Field(False, description="only what is there")
    lat: float | None = Field(None, ge=-90, le=90, description="degrees north, with lon")
    lon: float | None = Field(None, ge=-180, le=180, description="degrees east, with lat")
    distance_km: float | None = Field(None, gt=0, le=20_000, description="not further from lat, lon")

    def values(self, name: str) -> list[str]:
        """Values of one of the filters of `FACETS`."""
        found: list[str] = getattr(self, name)
        return found


class Asked(Within):
    """A search. Without `q` it lists what fits the filters."""

    q: Text = ""
    lang: Language = Language.en
    sort: Sort = Sort.relevance
    page: int = Field(1, ge=1)
    size: int = Field(20, ge=1, le=100)
    facets: bool = True
    user: int | None = Field(None, ge=0, le=2**53, description="whose recent behaviour moves the order")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.page * self.size > DEEPEST:
            raise ValueError(
                f"page {self.page} of {self.size} is deeper than {DEEPEST} products: add a filter or a word"
            )
        if (self.lat is None) != (self.lon is None):
            raise ValueError("lat and lon belong together")
        if self.lat is None and (self.distance_km is not None or self.sort is Sort.distance):
            raise ValueError("distance_km and sort=distance need lat and lon")
        if self.min_price is not None and self.max_price is not None and self.min_price > self.max_price:
            raise ValueError("min_price is above max_price")
        return self
