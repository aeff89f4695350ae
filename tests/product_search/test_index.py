"""Generations of the index: made beside the one in use, with its stock, and the alias moved without a gap."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the search environment has it")
import pyarrow as pa
import pyarrow.parquet as pq

from quintet.ecommerce.search.building import behind, build, in_use, meta_of, remove, stock_of
from quintet.ecommerce.search.definition import PRODUCTS, SUGGESTIONS
from quintet.ecommerce.search.documents import Catalogue
from quintet.ecommerce.search.errors import IndexingError, NoIndexError, SearchDownError
from quintet.ecommerce.search.nodes import Nodes, SearchDoor, lines
from quintet.ecommerce.search.stock import StockChange, updates
from quintet.errors import InputError


@pytest.fixture
def tables(catalogue: Path) -> Catalogue:
    return Catalogue(catalogue)


def change(product: int, offset: int, delta: int, at_ms: int = 5) -> StockChange:
    return StockChange(0, offset, product, delta, 1, at_ms, at_ms)


def apply(nodes: Nodes, *changes: StockChange) -> list[str]:
    answer = nodes.ask("POST", f"/{behind(nodes, PRODUCTS)}/_bulk?refresh=true", lines(updates(changes)))
    return [item["update"]["result"] for item in answer["items"]]


def document(nodes: Nodes, product: int) -> dict[str, Any]:
    found: dict[str, Any] = nodes.ask("GET", f"/{PRODUCTS}/_doc/{product}")["_source"]
    return found


def test_the_index_holds_the_products_of_the_catalogue(built: Nodes, catalogue: Path, tables: Catalogue) -> None:
    products = pq.read_table(catalogue / "products.parquet").to_pylist()
    assert built.ask("GET", f"/{PRODUCTS}/_count")["count"] == len(tables) == len(products)
    row = products[234]
    found = document(built, row["product_id"])
    for name in ("brand", "category", "type", "colour", "inventory_count", "tags"):
        assert found[name] == row[name]
    assert found["price"] == float(row["price"])
    texts = pq.read_table(catalogue / "texts_de.parquet").to_pylist()[234]
    assert (found["name"]["de"], found["description"]["de"]) == (texts["name"], texts["description"])


def test_a_change_of_stock_counts_once_however_often_it_is_applied(built: Nodes, tables: Catalogue) -> None:
    product = next(tables.products())[7]["product_id"]
    before = document(built, product)["inventory_count"]
    assert apply(built, change(product, 100, -2), change(product, 101, 5)) == ["updated"]
    assert document(built, product)["inventory_count"] == before + 3
    assert apply(built, change(product, 100, -2), change(product, 101, 5)) == ["noop"]
    assert apply(built, change(product, 101, 5), change(product, 102, -1)) == ["updated"]
    assert document(built, product)["inventory_count"] == before + 2


def test_a_product_is_short_from_the_change_that_made_it_short_to_that_which_ends_it(
    built: Nodes, tables: Catalogue
) -> None:
    row = next(row for row in next(tables.products()) if row["inventory_count"] > row["reorder_point"] + 3)
    product, room = row["product_id"], row["inventory_count"] - row["reorder_point"]
    apply(built, change(product, 1, -(room - 1), at_ms=10))
    assert "short_at" not in document(built, product)
    apply(built, change(product, 2, -1, at_ms=20))
    assert document(built, product)["short_at"] == 20
    apply(built, change(product, 3, -1, at_ms=30))
    assert document(built, product)["short_at"] == 20
    apply(built, change(product, 4, 9, at_ms=40))
    assert "short_at" not in document(built, product)


def test_searches_are_answered_while_the_index_is_made_anew_and_stock_is_taken_over(
    built: Nodes, tables: Catalogue, opensearch: str
) -> None:
    product = next(tables.products())[42]["product_id"]
    apply(built, change(product, 500, -1))
    old = str(behind(built, PRODUCTS))
    pieces = document(built, product)["inventory_count"]
    wrong: list[Any] = []
    counted = [0]
    is_over = threading.Event()

    def searching() -> None:
        with Nodes(SearchDoor((opensearch,))) as nodes:
            while not is_over.is_set():
                found = nodes.ask("POST", f"/{PRODUCTS}/_search", {"size": 1, "track_total_hits": True})
                counted[0] += 1
                if found["hits"]["total"]["value"] != len(tables):
                    wrong.append(found["hits"]["total"])

    thread = threading.Thread(target=searching)
    thread.start()
    try:
        made = build(built, tables, stock=stock_of(built, old), offsets={0: 501}, epoch="kept")
        time.sleep(0.2)
    finally:
        is_over.set()
        thread.join()
    assert not wrong
    assert counted[0] > 5
    assert behind(built, PRODUCTS) == made.products_index != old
    assert document(built, product)["inventory_count"] == pieces
    assert apply(built, change(product, 500, -1)) == ["noop"], "the change is in the stock that was taken over"
    assert meta_of(built, made.products_index)["stock_offsets"] == {"0": 501}
    assert meta_of(built, made.products_index)["epoch"] == "kept"


@pytest.mark.long
def test_the_generation_before_stays_and_older_ones_go(built: Nodes, tables: Catalogue) -> None:
    first, second, third = (build(built, tables) for _ in range(3))
    left = set(built.ask("GET", f"/{PRODUCTS}-*/_alias"))
    assert left == {second.products_index, third.products_index}
    assert first.products_index in third.removed
    assert first.suggestions_index in third.removed


def test_an_index_that_was_removed_is_missed_by_name_and_built_again(built: Nodes, tables: Catalogue) -> None:
    names = set(built.ask("GET", f"/{PRODUCTS}-*,{SUGGESTIONS}-*/_alias"))
    assert set(remove(built)) == names
    assert remove(built) == []
    assert in_use(built) is None
    with pytest.raises(NoIndexError, match="quintet run ecommerce --dag ecommerce_index_products"):
        built.ask("GET", f"/{PRODUCTS}/_count")
    made = build(built, tables, offsets={0: 7}, epoch="first")
    index = in_use(built)
    assert index is not None
    assert (index.name, index.epoch, index.offsets) == (made.products_index, "first", {0: 7})


@pytest.fixture
def broken(catalogue: Path, tmp_path: Path) -> Path:
    """A catalogue in which a product stands twice."""
    for file in catalogue.glob("*.parquet"):
        table = pq.read_table(file)
        if file.name == "products.parquet" or file.name.startswith("texts_"):
            table = pa.concat_tables([table.slice(0, 50), table.slice(0, 1)])
        pq.write_table(table, tmp_path / file.name)
    return tmp_path


def test_a_catalogue_that_is_not_whole_leaves_the_alias_where_it_is(built: Nodes, broken: Path) -> None:
    before = (behind(built, PRODUCTS), behind(built, SUGGESTIONS))
    indices = set(built.ask("GET", "/ecommerce-*/_alias"))
    with pytest.raises(IndexingError, match="holds 50 products, the catalogue 51"):
        build(built, Catalogue(broken))
    assert (behind(built, PRODUCTS), behind(built, SUGGESTIONS)) == before
    assert set(built.ask("GET", "/ecommerce-*/_alias")) == indices


def test_a_catalogue_without_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"products\.parquet"):
        Catalogue(tmp_path)


def test_a_node_that_does_not_answer_is_passed_over(opensearch: str) -> None:
    with Nodes(SearchDoor(("http://127.0.0.1:9", opensearch, "http://127.0.0.1:10"))) as nodes:
        for _ in range(6):
            assert nodes.ask("GET", "/")["version"]["distribution"] == "opensearch"


def test_a_cluster_that_is_away_is_named() -> None:
    with (
        Nodes(SearchDoor(("http://127.0.0.1:9", "http://127.0.0.1:10"))) as nodes,
        pytest.raises(SearchDownError, match=r"http://127.0.0.1:9, http://127.0.0.1:10"),
    ):
        nodes.ask("GET", "/")
