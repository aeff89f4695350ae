"""The shop itself: proportions of what happens in it, its catalogue in every language, its judgement list."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy", reason="the streaming environment has it")
pytest.importorskip("pyarrow", reason="the streaming environment has it")
import numpy as np
import pyarrow.parquet as pq

import naive_shop as naive
from quintet.ecommerce.assortment import DAY_MS, Assortment, Prices, sales_of
from quintet.ecommerce.definitions import IDENTITY, INVALID, KINDS, LATENESS_MS, parameters, product_of
from quintet.ecommerce.simulation import Scale, Simulation
from quintet.ecommerce.truth import Truth
from quintet.ecommerce.words import LANGUAGES, words

START_MS = 1_735_689_600_000


@pytest.fixture(scope="module")
def records(small: tuple[Path, Truth]) -> dict[str, list[naive.Record]]:
    return naive.read(small[0])


def table(small: tuple[Path, Truth], name: str) -> list[dict[str, Any]]:
    return list(pq.read_table(small[0] / "catalogue" / f"{name}.parquet").to_pylist())


def test_defects_have_their_shares(small: tuple[Path, Truth]) -> None:
    expect = small[1].expect
    share = {name: expect[name] / expect["records"] for name in ("late", "duplicates", "broken", "malformed")}
    assert 0.006 < share["late"] < 0.016
    assert 0.009 < share["duplicates"] < 0.021
    assert 0.0015 < share["broken"] < 0.005
    assert 0.0015 < share["malformed"] < 0.005


def test_delays_leave_a_gap_around_lateness(records: dict[str, list[naive.Record]]) -> None:
    whole = [row for kind, rows in records.items() for row in rows if naive.broken_by(kind, row) is None]
    delays = [(row["arrived_at"] - row["timestamp"]).total_seconds() * 1000 for row in whole]
    assert min(delays) > 0
    between = [delay for delay in delays if 0.8 * LATENESS_MS < delay < 1.2 * LATENESS_MS]
    assert between == []


def test_every_kind_happens_and_most_are_page_views(records: dict[str, list[naive.Record]]) -> None:
    count = {kind: len(rows) for kind, rows in records.items()}
    assert set(count) == set(KINDS)
    assert all(count.values())
    assert count["page_view"] > sum(count.values()) / 2
    assert count["purchase"] < count["add_to_cart"] < count["search"]


def test_clicks_are_products_of_the_answer_and_unknown_things_have_none(
    small: tuple[Path, Truth], records: dict[str, list[naive.Record]]
) -> None:
    queries = {row["query"]: row for row in table(small, "queries")}
    clicked = 0
    for row in records["search"]:
        assert len(set(row["clicked_products"])) == len(row["clicked_products"]) <= max(row["results_count"], 0) or (
            row["results_count"] == -1
        )
        clicked += bool(row["clicked_products"])
        if queries[row["query"]]["kind"] == "unknown":
            assert row["results_count"] <= 0
    assert 0.3 < clicked / len(records["search"]) < 0.8


def test_visitors_come_in_a_sale(small: tuple[Path, Truth], records: dict[str, list[naive.Record]]) -> None:
    sale = small[1].sales[0]
    length = sale["end"] - sale["begin"]
    at = np.array([row["timestamp"].timestamp() * 1000 for row in records["page_view"]])
    inside = ((at >= sale["begin"]) & (at < sale["end"])).sum()
    before = ((at >= sale["begin"] - length) & (at < sale["begin"])).sum()
    assert inside > 1.7 * before


def test_the_catalogue_has_texts_in_every_language_and_no_place_left_open(small: tuple[Path, Truth]) -> None:
    numbers = {row["product_id"] for row in table(small, "products")}
    assert len(LANGUAGES) >= 4
    seen: dict[str, set[str]] = {}
    for language in LANGUAGES:
        rows = table(small, f"texts_{language}")
        assert {row["product_id"] for row in rows} == numbers
        assert not any(sign in row["name"] + row["description"] for row in rows for sign in "{}")
        seen[language] = {row["name"] for row in rows}
        assert len(seen[language]) > 0.9 * len(numbers)
    assert not seen["en"] & seen["de"]


def test_a_catalogue_of_a_hundred_thousand_products_is_the_usual_size() -> None:
    assortment = Assortment(Scale().products, 7, START_MS)
    assert len(set(assortment.ids.tolist())) == assortment.count >= 100_000
    kinds = words().types
    price = assortment.attribute("price")
    assert (price >= np.array([kind.lowest - 1 for kind in kinds])[assortment.type]).all()
    assert (price < np.array([kind.highest for kind in kinds])[assortment.type]).all()


def test_words_are_complete_and_attributes_fit_their_category() -> None:
    known = words()
    assert len(known.types) == 100
    for kind in known.types:
        for language in LANGUAGES:
            assert len(kind.forms[language]) == 2, f"{kind.key} has a word and a synonym in {language}"
            assert len(set(kind.forms[language])) == 2
    assert all(category.materials and category.features for category in known.categories)


def test_a_sale_makes_products_cheaper_and_leaves_their_prices_as_they_would_be() -> None:
    end = START_MS + 3 * DAY_MS
    assortment, sales = Assortment(2000, 7, START_MS), sales_of(7, START_MS, end)
    with_sales, without = Prices(assortment, end, sales), Prices(assortment, end, ())
    everything = np.arange(assortment.count)

    def at(prices: Prices, moment: int) -> Any:
        return prices.at(everything, np.full(assortment.count, moment))

    for sale in sales:
        reduced = at(with_sales, sale.begin_ms) < at(without, sale.begin_ms)
        assert reduced.any()
        assert (assortment.category[reduced] == sale.category).all()
        assert (at(with_sales, sale.begin_ms - 1) == at(without, sale.begin_ms - 1)).all()
        assert (at(with_sales, sale.end_ms) == at(without, sale.end_ms)).all()


def test_judged_queries_have_relevant_products_of_the_type_that_they_ask_for(small: tuple[Path, Truth]) -> None:
    queries = {row["query_id"]: row for row in table(small, "queries")}
    kind_of = {row["product_id"]: row for row in table(small, "products")}
    grades: dict[int, Counter[int]] = defaultdict(Counter)
    types: dict[int, set[str]] = defaultdict(set)
    for row in table(small, "judgements"):
        grades[row["query_id"]][row["grade"]] += 1
        types[row["query_id"]].add(kind_of[row["product_id"]]["type"])
    judged = {number for number, query in queries.items() if query["is_judged"]}
    assert set(grades) == judged
    assert all(len(found) == 1 for found in types.values())
    assert Counter(queries[number]["language"] for number in judged).keys() == set(LANGUAGES)
    for number, found in grades.items():
        assert found[3] == queries[number]["relevant_products"]
        assert set(found) <= {1, 3}
    assert {queries[number]["kind"] for number in judged} == {
        "word",
        "synonym",
        "colour",
        "material",
        "brand",
        "feature",
        "misspelt",
    }


def test_texts_of_queries_stand_for_one_thing_in_a_language(small: tuple[Path, Truth]) -> None:
    texts = Counter((row["language"], row["query"]) for row in table(small, "queries"))
    assert max(texts.values()) == 1


def test_a_level_shop_keeps_its_rate_from_the_first_second() -> None:
    simulation = Simulation(7, START_MS, START_MS + 120_000, Scale(rate=800, products=2000, users=5000, is_level=True))
    times = np.concatenate([c["arrived"] for piece in simulation.pieces() for c in piece.events.values()]) - START_MS
    sale = simulation.shop.sales[0]
    seconds = np.bincount(times // 1000, minlength=120)
    quiet = seconds[2 : (sale.begin_ms - START_MS) // 1000]
    assert 0.85 * 800 < quiet.mean() < 1.15 * 800
    assert quiet[:8].mean() > 0.8 * 800


def test_pieces_do_not_change_what_was_before_a_later_end() -> None:
    def first_minute(minutes: int) -> list[Any]:
        scale = Scale(rate=900, products=2000, users=500, is_level=True)
        # The sale depends on the end: the first minute lies before any.
        piece = next(Simulation(7, START_MS, START_MS + minutes * 60_000, scale).pieces())
        return [len(columns["ts"]) for columns in piece.events.values()]

    assert first_minute(10) == first_minute(20)


def test_definitions_reach_sql_as_numbers_and_rules() -> None:
    given = parameters()
    assert given["lateness_minutes"] == str(LATENESS_MS // 60_000) == "2"
    minutes = [value for name, value in given.items() if name.endswith("_minutes")]
    assert all(1 <= int(value) <= 99 for value in minutes), "Flink takes intervals of two digits"
    assert given["large_order"] == "5000.00"
    assert set(IDENTITY) == set(INVALID) == set(KINDS)


@pytest.mark.parametrize(
    ("page", "product"), [("/product/1000017", 1000017), ("/", None), ("/product/", None), ("/product/x", None)]
)
def test_the_page_of_a_product_tells_its_number(page: str, product: int | None) -> None:
    assert product_of(page) == product
