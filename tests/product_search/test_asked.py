"""Parameters of a search: what is refused before OpenSearch hears of it, and what of it OpenSearch hears."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("pydantic", reason="the search environment has it")
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from quintet.ecommerce.search import asking, reading
from quintet.ecommerce.search.asked import DEEPEST, LONGEST, Asked


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"q": "x" * (LONGEST + 1)}, "at most 200 characters"),
        ({"q": "' OR 1=1 --"}, "'='"),
        ({"q": "sofa; DROP TABLE products"}, "';'"),
        ({"q": '{"match_all":{}}'}, "'{'"),
        ({"q": "<script>alert(1)</script>"}, "'<'"),
        ({"q": "name:* OR *"}, "'*'"),
        ({"q": "sofa\x00"}, r"U\+0000"),
        ({"q": "sofa\nlamp"}, "a tab or a line break|000A"),
        ({"page": 51, "size": 20}, "deeper than 1000"),
        ({"page": 0}, "greater than or equal to 1"),
        ({"size": 101}, "less than or equal to 100"),
        ({"lang": "xx"}, "'en', 'de', 'fr' or 'es'"),
        ({"sort": "price; --"}, "'relevance'"),
        ({"brand": ["Nordo' OR 'a'='a"]}, "match pattern"),
        ({"brand": ["x"] * 21}, "at most 20"),
        ({"min_price": 5, "max_price": 4}, "min_price is above max_price"),
        ({"lat": 50}, "belong together"),
        ({"sort": "distance"}, "need lat and lon"),
        ({"lat": 91, "lon": 0}, "less than or equal to 90"),
        ({"colour_": ["red"]}, "Extra inputs"),
    ],
)
def test_what_is_wrong_is_refused_and_named(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Asked(**wrong)


@pytest.mark.parametrize("text", ["plate set", "boîte à outils", "l'été 50%", "Größe 5½", "C&A (2) #4", "  a   b "])
def test_words_of_shoppers_pass(text: str) -> None:
    assert Asked(q=text).q == " ".join(text.split())


@given(st.text(max_size=LONGEST))
def test_whatever_passes_reaches_opensearch_as_a_value(text: str) -> None:
    try:
        asked = Asked(q=text, facets=False)
    except ValidationError:
        return
    plain = asking.search(Asked(facets=False), "")
    body = asking.search(asked, asked.q)
    assert set(body) == set(plain)
    if asked.q:
        found = json.loads(json.dumps(body))["query"]["bool"]["must"][0]["constant_score"]["filter"]["match"]["all.en"]
        assert found == {"query": asked.q, "operator": "and"}


def test_pages_reach_as_deep_as_is_allowed_and_not_deeper() -> None:
    body = asking.search(Asked(page=DEEPEST // 100, size=100), "")
    assert body["from"] + body["size"] == DEEPEST


def test_a_facet_is_counted_under_the_filters_of_the_others() -> None:
    body = asking.search(Asked(brand=["Nordo"], colour=["red", "blue"]), "sofa")
    assert body["aggs"]["brand"]["filter"] == {"bool": {"filter": [{"terms": {"colour": ["red", "blue"]}}]}}
    assert body["aggs"]["material"]["filter"]["bool"]["filter"] == body["post_filter"]["bool"]["filter"]
    assert body["query"]["bool"]["filter"] == []


def test_taste_adds_to_the_order_and_is_bounded() -> None:
    body = asking.search(Asked(), "sofa", taste={"brand": {"Nordo": 1.0}, "colour": {"red": 0.5}})
    added = [part["constant_score"] for part in body["query"]["bool"]["should"] if "constant_score" in part]
    assert {"filter": {"term": {"brand": "Nordo"}}, "boost": 0.8} in added
    assert {"filter": {"term": {"colour": "red"}}, "boost": 0.4} in added


def test_a_correction_replaces_words_at_their_places() -> None:
    words = [
        {"text": "blak", "offset": 0, "length": 4, "options": [{"text": "black"}]},
        {"text": "desk", "offset": 5, "length": 4, "options": []},
        {"text": "lmap", "offset": 10, "length": 4, "options": [{"text": "lamp"}]},
    ]
    assert reading.corrected("blak desk lmap", {"suggest": {"words": words}}) == "black desk lamp"
    assert reading.corrected("desk", {"suggest": {"words": words[1:2]}}) is None
