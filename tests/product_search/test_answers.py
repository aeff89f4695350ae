"""What the service answers, over a real OpenSearch and a real Redis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the search environment has it")
import httpx
import pyarrow.parquet as pq
from redis import Redis
from shop_tables import catalogue_below

from quintet.ecommerce.search.relevance import DEPTH, measure, read_judged

#: Of a small shop: what it has in a colour is less than ten, and all of these words are wanted.
FLOOR = 0.9


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a shop of 6,000 products, 60 of each type: there is an order to be seen among them."""
    return catalogue_below(tmp_path_factory.mktemp("whole_shop"), products=6000)


def search(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer = client.get("/api/v1/search", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def types(found: dict[str, Any]) -> set[str]:
    return {product["type"] for product in found["products"]}


def counts(found: dict[str, Any], facet: str) -> dict[str, int]:
    return {entry["value"]: entry["count"] for entry in found["facets"][facet]}


@pytest.mark.parametrize(
    ("text", "language", "kind"),
    [
        ("sofa", "en", "sofa"),
        ("couches", "en", "sofa"),
        ("Bücherregale", "de", "bookcase"),
        ("buecherregal", "de", "bookcase"),
        ("l'armoire à dossiers", "fr", "filing_cabinet"),
        ("lampes de bureau", "fr", "desk_lamp"),
        ("lampara de pie", "es", "floor_lamp"),
        ("bicicletas", "es", "bicycle"),
    ],
)
def test_words_are_found_in_their_language_with_other_endings_and_signs(
    client: httpx.Client, text: str, language: str, kind: str
) -> None:
    assert types(search(client, q=text, lang=language)) == {kind}


@pytest.mark.parametrize(
    ("text", "language", "kind"),
    [
        ("skillet", "en", "frying_pan"),
        ("blow dryer", "en", "hair_dryer"),
        ("Föhn", "de", "hair_dryer"),
        ("étagère à livres", "fr", "bookcase"),
        ("teléfono móvil", "es", "smartphone"),
    ],
)
def test_synonyms_are_found(client: httpx.Client, text: str, language: str, kind: str) -> None:
    found = search(client, q=text, lang=language)
    assert types(found) == {kind}
    assert found["matched"] == "as_typed"


@pytest.mark.parametrize(
    ("text", "language", "meant", "kind"),
    [
        ("bookcsae", "en", "bookcase", "bookcase"),
        ("blak sofa", "en", "black sofa", "sofa"),
        ("skilet", "en", "skillet", "frying_pan"),
        ("Schreibtsch", "de", "schreibtisch", "desk"),
        ("lampadiare", "fr", "lampadaire", "floor_lamp"),
    ],
)
def test_misspelt_words_are_corrected_and_the_correction_is_told(
    client: httpx.Client, text: str, language: str, meant: str, kind: str
) -> None:
    found = search(client, q=text, lang=language)
    assert (found["matched"], found["did_you_mean"]) == ("corrected", meant)
    assert found["products"][0]["type"] == kind


def test_part_of_the_words_is_better_than_nothing(client: httpx.Client) -> None:
    found = search(client, q="sofa black leather zzyzxqq")
    assert found["matched"] == "some_words"
    kinds = [product["type"] for product in found["products"]]
    assert kinds[:3] == ["sofa"] * 3


def test_a_brand_that_does_not_make_a_thing_is_answered_with_what_others_make(
    client: httpx.Client, catalogue: Path
) -> None:
    rows = pq.read_table(catalogue / "products.parquet").to_pylist()
    others = {row["brand"] for row in rows} - {row["brand"] for row in rows if row["type"] == "sofa"}
    found = search(client, q=f"{min(others)} sofa", size=5)
    assert found["matched"] == "some_words"
    assert types(found) == {"sofa"}


def test_what_nobody_sells_is_told_and_counted(client: httpx.Client) -> None:
    found = search(client, q="Xqzzt vwrrk")
    assert (found["total"], found["products"], found["matched"]) == (0, [], "nothing")
    search(client, q="xqzzt  VWRRK")
    search(client, q="sofa")
    now = client.get("/api/v1/operations").json()
    assert now["nothing_found"] == [{"text": "xqzzt vwrrk", "count": 2}]
    assert now["texts"] == [{"text": "sofa", "count": 1}]
    assert (now["searches"]["today"], now["searches"]["without_result"]) == (3, 2)


def test_facets_count_what_the_filters_of_the_others_leave(client: httpx.Client, catalogue: Path) -> None:
    rows = [row for row in pq.read_table(catalogue / "products.parquet").to_pylist() if row["type"] == "sofa"]
    red = [row for row in rows if row["colour"] == "red"]
    found = search(client, q="sofa", colour="red")
    assert found["total"] == len(red) > 0
    assert counts(found, "colour") == {
        value: sum(row["colour"] == value for row in rows) for value in {row["colour"] for row in rows}
    }
    assert counts(found, "material") == {
        value: sum(row["material"] == value for row in red) for value in {row["material"] for row in red}
    }
    both = search(client, q="sofa", colour=["red", "blue"])
    assert both["total"] == sum(row["colour"] in ("red", "blue") for row in rows)


def test_filters_of_price_rating_and_stock_hold(client: httpx.Client, catalogue: Path) -> None:
    rows = pq.read_table(catalogue / "products.parquet").to_pylist()
    found = search(client, category="kitchen", min_price=20, max_price=60, min_rating=4.5, size=100)
    wanted = [row for row in rows if row["category"] == "kitchen" and 20 <= row["price"] <= 60 and row["rating"] >= 4.5]
    assert found["total"] == len(wanted) > 0
    assert all(20 <= one["price"] <= 60 and one["rating"] >= 4.5 for one in found["products"])
    ranges = counts(search(client, category="kitchen"), "price")
    kitchen = [float(row["price"]) for row in rows if row["category"] == "kitchen"]
    assert ranges["25-100"] == sum(25 <= price < 100 for price in kitchen)


@pytest.mark.parametrize(
    ("sort", "name", "is_descending"), [("price_asc", "price", False), ("price_desc", "price", True)]
)
def test_orders_other_than_relevance(client: httpx.Client, sort: str, name: str, is_descending: bool) -> None:
    values = [product[name] for product in search(client, q="mug", sort=sort, size=50)["products"]]
    assert len(values) == 50
    assert values == sorted(values, reverse=is_descending)


def test_pages_follow_one_another_without_gap_or_repetition(client: httpx.Client) -> None:
    whole = [one["product_id"] for one in search(client, q="mug", size=60, facets=False)["products"]]
    parts = [
        one["product_id"]
        for page in (1, 2, 3)
        for one in search(client, q="mug", size=20, page=page, facets=False)["products"]
    ]
    assert parts == whole
    assert len(set(whole)) == 60


def test_distances_are_told_kept_and_ordered(client: httpx.Client) -> None:
    paris = {"lat": 48.86, "lon": 2.35}
    found = search(client, q="sofa", sort="distance", size=60, **paris)
    distances = [product["distance_km"] for product in found["products"]]
    assert distances == sorted(distances)
    assert distances[0] == 0
    near = search(client, q="sofa", distance_km=300, size=60, **paris)
    assert near["total"] == sum(distance <= 300 for distance in distances)
    # Brussels to Paris, by any atlas.
    assert 260 < min(one["distance_km"] for one in near["products"] if one["distance_km"]) < 270


@pytest.mark.parametrize(
    ("typed", "language", "becomes"),
    [
        ("boo", "en", "bookcase"),
        ("mach", "en", "coffee machine"),
        ("buche", "de", "Bücherregal"),
        ("bokca", "en", "bookcase"),
        ("nor", "en", "Nordo"),
    ],
)
def test_a_text_is_completed_from_each_of_its_words_and_despite_a_wrong_letter(
    client: httpx.Client, typed: str, language: str, becomes: str
) -> None:
    answer = client.get("/api/v1/suggest", params={"q": typed, "lang": language, "size": 20})
    texts = [one["text"] for one in answer.json()["completions"]]
    assert becomes in texts or any(becomes in text for text in texts), texts
    assert len(texts) == len({text.casefold() for text in texts})


def test_completions_keep_to_a_category(client: httpx.Client) -> None:
    within = client.get("/api/v1/suggest", params={"q": "ch", "category": "garden"}).json()["completions"]
    anywhere = client.get("/api/v1/suggest", params={"q": "ch"}).json()["completions"]
    assert [one["text"] for one in within] == ["garden chair", "patio chair"] or {"garden chair"} <= {
        one["text"] for one in within
    }
    assert "charger" in {one["text"] for one in anywhere}
    assert "charger" not in {one["text"] for one in within}


def test_recent_behaviour_moves_the_order_among_equals_and_nothing_else(client: httpx.Client) -> None:
    plain = search(client, q="bookcase", size=60)
    wanted = plain["products"][-1]
    for _ in range(3):
        answer = client.post("/api/v1/clicks", json={"product_id": wanted["product_id"], "user": 77})
        assert answer.status_code == 204
    mine = search(client, q="bookcase", size=60, user=77)
    assert (mine["is_personal"], plain["is_personal"]) == (True, False)
    places = [[one["product_id"] for one in found["products"]].index(wanted["product_id"]) for found in (plain, mine)]
    assert places[1] < places[0]
    assert {one["product_id"] for one in mine["products"]} == {one["product_id"] for one in plain["products"]}
    assert [one["product_id"] for one in search(client, q="bookcase", size=60, user=78)["products"]] == [
        one["product_id"] for one in plain["products"]
    ]


def test_a_search_goes_on_without_redis(opensearch: str, built: Any) -> None:
    from shop_service import served

    with served(opensearch, 9) as client:
        found = search(client, q="sofa", user=77)
        assert types(found) == {"sofa"}
        assert client.post("/api/v1/clicks", json={"product_id": 1}).status_code == 204
        assert client.get("/ready").json()["memory"] is False
        assert "quintet_shop_memory_failures_total" in client.get("/metrics").text


def test_one_product_in_a_language(client: httpx.Client, catalogue: Path) -> None:
    row = pq.read_table(catalogue / "texts_fr.parquet").to_pylist()[5]
    answer = client.get(f"/api/v1/products/{row['product_id']}", params={"lang": "fr"})
    assert answer.json()["name"] == row["name"]
    missing = client.get("/api/v1/products/1")
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "there is no product 1")


def test_texts_that_are_searched_often_trend(client: httpx.Client, redis: Redis) -> None:
    for text in ("Mug", "mug ", "sofa"):
        search(client, q=text)
    found = client.get("/api/v1/trending").json()
    assert [(one["text"], one["count"]) for one in found["texts"]] == [("mug", 2), ("sofa", 1)]


def test_texts_of_somebody_who_sends_ever_others_fill_no_memory(client: httpx.Client, redis: Redis) -> None:
    from quintet.ecommerce.search.memory import TEXTS

    name = "shop:nothing:test"
    redis.zadd(name, {f"text {number}": 1 for number in range(TEXTS + 50)})
    redis.zremrangebyrank(name, 0, -TEXTS - 1)
    assert redis.zcard(name) == TEXTS


def test_the_order_of_answers_is_good_by_the_judgement_list(client: httpx.Client, catalogue: Path) -> None:
    def first_ten(text: str, language: str) -> list[int]:
        found = search(client, q=text, lang=language, size=DEPTH, facets=False)
        return [product["product_id"] for product in found["products"]]

    found = measure(first_ten, read_judged(catalogue))
    assert found.mean >= FLOOR, found
    assert min(found.by_language.values()) >= FLOOR - 0.05, found
