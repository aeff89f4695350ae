"""A user's taste from recent behaviour."""

from __future__ import annotations

import pytest

pytest.importorskip("redis", reason="the search environment has it")
from quintet.ecommerce.search.memory import taste_of


def product(brand: str, colour: str) -> dict[str, str]:
    return {"brand": brand, "colour": colour, "material": "oak", "category": "home"}


def test_what_was_bought_weighs_more_than_what_was_seen() -> None:
    taste = taste_of([(1, 1), (2, 10)], {1: product("A", "red"), 2: product("B", "blue")})
    assert taste["brand"]["B"] == pytest.approx(9 / 10)
    assert "A" not in taste["brand"], "a tenth is no taste"
    assert taste["category"] == {"home": pytest.approx(1)}


def test_what_is_newer_weighs_more() -> None:
    taste = taste_of([(1, 1), (2, 1)], {1: product("A", "red"), 2: product("B", "blue")})
    assert taste["brand"]["A"] > taste["brand"]["B"]


def test_products_that_are_gone_make_no_taste() -> None:
    assert taste_of([(1, 5)], {}) == {}
    assert taste_of([], {}) == {}
