"""One search, from the parameters to the answer: as typed; where that finds nothing, corrected, then in part.

Whoever types well waits for one question. The ladder is climbed only for a text that finds nothing under the filters.
"""

from __future__ import annotations

from quintet.ecommerce.search import asking, reading
from quintet.ecommerce.search.asked import Asked
from quintet.ecommerce.search.asking import Taste
from quintet.ecommerce.search.definition import PRODUCTS, SUGGESTIONS
from quintet.ecommerce.search.nodes import AsyncNodes
from quintet.ecommerce.search.reading import Completions, Found

__all__ = ["complete", "find"]

_SEARCH = f"/{PRODUCTS}/_search"


async def find(nodes: AsyncNodes, asked: Asked, taste: Taste | None = None) -> Found:
    """Answer of a search. Raises as `AsyncNodes.ask`."""
    found = await _tried(nodes, asked, asked.q, taste, way="all", matched="as_typed")
    if found.total or not asked.q:
        return found
    told = await nodes.ask("POST", _SEARCH, asking.corrections(asked.q, asked.lang.value))
    meant = reading.corrected(asked.q, told)
    if meant:
        found = await _tried(nodes, asked, meant, taste, way="all", matched="corrected")
        if found.total:
            return _with(found, meant)
    found = await _tried(nodes, asked, meant or asked.q, taste, way="some", matched="some_words")
    return _with(found, meant)


async def complete(nodes: AsyncNodes, text: str, language: str, category: str | None, size: int) -> Completions:
    """What a text may become. Raises as `AsyncNodes.ask`."""
    answer = await nodes.ask("POST", f"/{SUGGESTIONS}/_search", asking.completions(text, language, category, size))
    return reading.read_completions(answer, size)


async def _tried(nodes: AsyncNodes, asked: Asked, text: str, taste: Taste | None, *, way: str, matched: str) -> Found:
    answer = await nodes.ask("POST", _SEARCH, asking.search(asked, text, taste=taste, way=way))
    return reading.read_found(asked, answer, matched=matched)


def _with(found: Found, meant: str | None) -> Found:
    changed: Found = found.model_copy(update={"did_you_mean": meant})
    return changed
