"""What products are called and what is said about them, in every language; and the other tables of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from quintet.ecommerce.assortment import BRANDS
from quintet.ecommerce.draws import Array
from quintet.ecommerce.people import People
from quintet.ecommerce.places import PLACES
from quintet.ecommerce.queries import EXACT, PARTIAL, Queries
from quintet.ecommerce.sessions import Shop
from quintet.ecommerce.values import euros, instants
from quintet.ecommerce.words import LANGUAGES, words

__all__ = ["catalogue_tables"]


def catalogue_tables(shop: Shop) -> Iterator[tuple[str, pa.Table]]:
    """Every table of the catalogue with its name."""
    yield "products", _products(shop)
    for language in LANGUAGES:
        yield f"texts_{language}", _texts(shop, language)
    yield "price_changes", _price_changes(shop)
    yield "places", _places()
    yield "users", _users(shop.people)
    yield "synonyms", _synonyms()
    yield "queries", _queries(shop.queries)
    yield "judgements", _judgements(shop)


def _products(shop: Shop) -> pa.Table:
    known, goods = words(), shop.assortment
    place = goods.attribute("warehouse")
    tags = [
        [known.features[a].key, known.features[b].key, known.uses[u].key]
        for a, b, u in zip(
            goods.attribute("feature"), goods.attribute("other_feature"), goods.attribute("use"), strict=True
        )
    ]
    return pa.table(
        {
            "product_id": goods.ids,
            "category": _named([category.key for category in known.categories], goods.category),
            "type": _named([kind.key for kind in known.types], goods.type),
            "brand": _named(BRANDS, goods.attribute("brand")),
            "colour": _named([word.key for word in known.colours], goods.attribute("colour")),
            "material": _named([word.key for word in known.materials], goods.attribute("material")),
            "tags": pa.array(tags),
            "price": euros(goods.attribute("price"), 12),
            "inventory_count": goods.attribute("stock"),
            "reorder_point": goods.reorder_point,
            "rating": pa.array(goods.attribute("rating") / 10),
            "ratings": goods.attribute("ratings"),
            "warehouse_id": place,
            "latitude": pa.array([PLACES[number].latitude for number in place]),
            "longitude": pa.array([PLACES[number].longitude for number in place]),
            "created_at": instants(goods.attribute("created_ms")),
        }
    )


def _texts(shop: Shop, language: str) -> pa.Table:
    known, goods = words(), shop.assortment
    name, *sentences = (known.sentences[key][language] for key in ("name", "intro", "quality", "care"))
    described = " ".join(sentences)
    columns = [
        goods.attribute(part).tolist()
        for part in ("brand", "model", "material", "colour", "feature", "other_feature", "use")
    ]
    names, descriptions = [], []
    usual = {
        part: [word.text(language) for word in getattr(known, part)]
        for part in ("types", "materials", "colours", "features", "uses")
    }
    for kind, brand, model, material, colour, feature, other, use in zip(goods.type.tolist(), *columns, strict=True):
        values = {
            "type": usual["types"][kind],
            "brand": BRANDS[brand],
            "model": model,
            "material": usual["materials"][material],
            "colour": usual["colours"][colour],
        }
        text = name.format_map(values)
        names.append(text[0].upper() + text[1:])
        descriptions.append(
            described.format(
                feature=usual["features"][feature], other=usual["features"][other], use=usual["uses"][use], **values
            )
        )
    categories = [category.text(language) for category in known.categories]
    return pa.table(
        {
            "product_id": goods.ids,
            "language": pa.array([language] * goods.count),
            "name": names,
            "description": descriptions,
            "category": _named(categories, goods.category),
        }
    )


def _price_changes(shop: Shop) -> pa.Table:
    prices = shop.prices
    order = np.lexsort((shop.assortment.ids[prices.product], prices.at_ms))
    return pa.table(
        {
            "product_id": shop.assortment.ids[prices.product[order]],
            "changed_at": instants(prices.at_ms[order]),
            "price": euros(prices.price[order], 12),
        }
    )


def _places() -> pa.Table:
    return pa.table(
        {
            "warehouse_id": pa.array(range(len(PLACES)), pa.int32()),
            "town": [place.town for place in PLACES],
            "country": [place.country for place in PLACES],
            "is_store": [place.is_store for place in PLACES],
            "latitude": [place.latitude for place in PLACES],
            "longitude": [place.longitude for place in PLACES],
        }
    )


def _users(people: People) -> pa.Table:
    order = np.argsort(people.ids)
    return pa.table(
        {
            "user_id": people.ids[order],
            "language": _named(LANGUAGES, people.language[order]),
            "town": _named([place.town for place in PLACES], people.town[order]),
            "country": _named([place.country for place in PLACES], people.town[order]),
            "created_at": instants(people.created_ms[order]),
        }
    )


def _synonyms() -> pa.Table:
    rows = [
        {"language": language, "type": kind.key, "word": usual, "synonym": synonym}
        for language in LANGUAGES
        for kind in words().types
        for usual, *synonyms in [kind.forms[language]]
        for synonym in synonyms
    ]
    return pa.Table.from_pylist(rows)


def _queries(queries: Queries) -> pa.Table:
    return pa.table(
        {
            "query_id": pa.array(range(len(queries.all)), pa.int32()),
            "language": [query.language for query in queries.all],
            "query": [query.text for query in queries.all],
            "kind": [query.kind for query in queries.all],
            "relevant_products": queries.results,
            "is_judged": [query.is_judged for query in queries.all],
        }
    )


def _judgements(shop: Shop) -> pa.Table:
    """Grades of the products that are relevant for the judged queries; all others are not."""
    numbers, products, grades = [], [], []
    for number, query in enumerate(shop.queries.all):
        if query.is_judged:
            for grade, exactly in ((EXACT, True), (PARTIAL, False)):
                found = shop.queries.answer(query, exactly=exactly)
                numbers.append(np.full(len(found), number, np.int32))
                products.append(shop.assortment.ids[found])
                grades.append(np.full(len(found), grade, np.int32))
    return pa.table(
        {
            "query_id": np.concatenate(numbers),
            "product_id": np.concatenate(products),
            "grade": np.concatenate(grades),
        }
    )


def _named(names: list[str] | tuple[str, ...], places: Array) -> pa.Array:
    return pa.array(names).take(pa.array(places))
