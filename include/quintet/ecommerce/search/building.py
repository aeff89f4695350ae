"""A new generation of the indices beside the one in use; then the aliases are moved, in one step.

Searches go on all the while. The stock of the generation in use is taken over with the place in the topic that it is
of, and the new index says where the feed of stock changes goes on (`stock_offsets`): what came in between is applied
again to the new index, where each change counts once. The generation before stays, to go back to.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from quintet.ecommerce.search.definition import PRODUCTS, SUGGESTIONS, product_index, suggestion_index
from quintet.ecommerce.search.documents import Catalogue, Stock
from quintet.ecommerce.search.errors import IndexingError, SearchRefusedError
from quintet.ecommerce.search.nodes import Nodes, lines

__all__ = ["Built", "Index", "behind", "build", "in_use", "meta_of", "remove", "stock_of"]

#: Generations that stay: the one in use and the one before.
_KEPT = 2
#: Documents of one bulk request, of one page of a reading.
_BULK, _PAGE = 1000, 10_000
_KEEP_ALIVE = "2m"
_STOCK_PAGE = {
    "size": _PAGE,
    "sort": ["_doc"],
    "_source": ["product_id", "inventory_count", "stock_offset", "short_at"],
}


@dataclass(frozen=True)
class Built:
    """A generation: its indices, what is in them, and which older ones were removed."""

    products_index: str
    suggestions_index: str
    products: int
    suggestions: int
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """The index in use: its name, its epoch, and where by partition the stock begins that is not in it."""

    name: str
    epoch: str
    offsets: Mapping[int, int]


def build(
    nodes: Nodes,
    catalogue: Catalogue,
    *,
    stock: Mapping[int, Stock] | None = None,
    offsets: Mapping[int, int] | None = None,
    epoch: str | None = None,
) -> Built:
    """Make a generation of a catalogue and move the aliases to it.

    Args:
        nodes: the cluster.
        catalogue: what is indexed.
        stock: of products whose stock is not the catalogue's.
        offsets: by partition of the topic of stock changes the first record that is not in the stock.
        epoch: of the generation whose stock is taken over; None: an epoch begins.

    Raises:
        IndexingError: documents were refused, or some are missing; the aliases stay where they were.
        SearchDownError, SearchRefusedError: OpenSearch does not answer or refuses.

    """
    mark = _mark()
    names = {PRODUCTS: f"{PRODUCTS}-{mark}", SUGGESTIONS: f"{SUGGESTIONS}-{mark}"}
    meta = {
        "built_at": datetime.now(UTC).isoformat(),
        "epoch": epoch or mark,
        "stock_offsets": {str(partition): offset for partition, offset in (offsets or {}).items()},
    }
    try:
        products = _fill(
            nodes,
            names[PRODUCTS],
            product_index(catalogue.synonyms(), meta),
            ((str(row["product_id"]), row) for rows in catalogue.products(stock) for row in rows),
        )
        suggestions = _fill(
            nodes,
            names[SUGGESTIONS],
            suggestion_index(),
            ((str(number), row) for number, row in enumerate(catalogue.suggestions())),
        )
        if products != len(catalogue):
            raise IndexingError(
                f"the index {names[PRODUCTS]} holds {products} products, the catalogue {len(catalogue)}",
                remedy="The alias is where it was; look into the catalogue for products with one number",
            )
    except Exception:
        for name in names.values():
            _remove(nodes, name)
        raise
    _move(nodes, names)
    return Built(names[PRODUCTS], names[SUGGESTIONS], products, suggestions, tuple(_tidy(nodes)))


def remove(nodes: Nodes) -> list[str]:
    """Remove every generation, and the aliases with them; their names."""
    names = [str(name) for alias in (PRODUCTS, SUGGESTIONS) for name in nodes.ask("GET", f"/{alias}-*/_alias")]
    for name in names:
        _remove(nodes, name)
    return names


def in_use(nodes: Nodes) -> Index | None:
    """The index of products that is searched; None: there is none yet."""
    name = behind(nodes, PRODUCTS)
    if name is None:
        return None
    meta = meta_of(nodes, name)
    offsets = {int(partition): offset for partition, offset in meta.get("stock_offsets", {}).items()}
    return Index(name, str(meta.get("epoch", name)), offsets)


def behind(nodes: Nodes, alias: str) -> str | None:
    """Index behind an alias; None: there is no such alias."""
    # By the pattern of its indices: an alias that is not there names all indices, which nobody may look at.
    found = nodes.ask("GET", f"/{alias}-*/_alias")
    return next((str(name) for name, index in found.items() if alias in index["aliases"]), None)


def meta_of(nodes: Nodes, index: str) -> Mapping[str, Any]:
    """What an index says of itself."""
    found: Mapping[str, Any] = nodes.ask("GET", f"/{index}/_mapping")[index]["mappings"].get("_meta", {})
    return found


def stock_of(nodes: Nodes, index: str) -> dict[int, Stock]:
    """Stock of every product of an index, as it is at one instant."""
    nodes.ask("POST", f"/{index}/_refresh")
    answer = nodes.ask("POST", f"/{index}/_search?scroll={_KEEP_ALIVE}", _STOCK_PAGE)
    try:
        found: dict[int, Stock] = {}
        while hits := answer["hits"]["hits"]:
            for hit in hits:
                row = hit["_source"]
                found[row["product_id"]] = Stock(row["inventory_count"], row["stock_offset"], row.get("short_at"))
            answer = nodes.ask("POST", "/_search/scroll", {"scroll": _KEEP_ALIVE, "scroll_id": answer["_scroll_id"]})
        return found
    finally:
        nodes.ask("DELETE", "/_search/scroll", {"scroll_id": [answer["_scroll_id"]]})


def _mark() -> str:
    """Later marks sort behind earlier ones."""
    return f"{datetime.now(UTC):%Y%m%d%H%M%S%f}-{secrets.token_hex(2)}"


def _fill(nodes: Nodes, name: str, definition: dict[str, Any], rows: Iterator[tuple[str, Any]]) -> int:
    # Nobody searches it yet: what is written need not be seen at once.
    settings = {**definition["settings"], "refresh_interval": "-1"}
    nodes.ask("PUT", f"/{name}", {**definition, "settings": settings})
    part: list[Mapping[str, Any]] = []
    for number, row in rows:
        part += [{"index": {"_id": number}}, row]
        if len(part) == 2 * _BULK:
            _write(nodes, name, part)
            part = []
    if part:
        _write(nodes, name, part)
    nodes.ask("PUT", f"/{name}/_settings", {"refresh_interval": definition["settings"].get("refresh_interval")})
    nodes.ask("POST", f"/{name}/_refresh")
    return int(nodes.ask("GET", f"/{name}/_count")["count"])


def _write(nodes: Nodes, name: str, part: list[Mapping[str, Any]]) -> None:
    answer = nodes.ask("POST", f"/{name}/_bulk", lines(part))
    if answer["errors"]:
        wrong = next(item["index"] for item in answer["items"] if "error" in item["index"])
        raise IndexingError(
            f"the index {name} refuses document {wrong['_id']}: {wrong['error']['reason']}",
            remedy="The alias is where it was; correct the catalogue and build again",
        )


def _move(nodes: Nodes, names: Mapping[str, str]) -> None:
    actions: list[dict[str, Any]] = []
    for alias, name in names.items():
        before = behind(nodes, alias)
        if before is not None:
            actions.append({"remove": {"index": before, "alias": alias}})
        actions.append({"add": {"index": name, "alias": alias}})
    nodes.ask("POST", "/_aliases", {"actions": actions})


def _tidy(nodes: Nodes) -> Iterator[str]:
    """Remove generations that are older than the one before; one that was given up on is none."""
    for alias in (PRODUCTS, SUGGESTIONS):
        found = sorted(nodes.ask("GET", f"/{alias}-*/_alias"), reverse=True)
        for name in found[_KEPT:]:
            _remove(nodes, name)
            yield name


def _remove(nodes: Nodes, name: str) -> None:
    try:
        nodes.ask("DELETE", f"/{name}")
    except SearchRefusedError as error:
        if error.status != 404:
            raise
