"""What the operators' page shows: live figures, alerts, and how the search does."""

from __future__ import annotations

import asyncio
from typing import Any

from quintet.ecommerce.search.definition import PRODUCTS
from quintet.ecommerce.search.shop import Shop

__all__ = ["operations_now"]

#: Entries of each list.
_LISTED = 10
_SHORT = {
    "size": _LISTED,
    "track_total_hits": True,
    "query": {"exists": {"field": "short_at"}},
    "sort": [{"short_at": "desc"}, {"product_id": "asc"}],
    "_source": ["product_id", "name.en", "inventory_count", "reorder_point", "short_at"],
    "aggs": {"gone": {"filter": {"range": {"inventory_count": {"lte": 0}}}}},
}


async def operations_now(shop: Shop) -> dict[str, Any]:
    """Figures of minutes, alerts, trends and searches; raises as `AsyncNodes.ask`."""
    figures, short, counts, texts, nothing = await asyncio.gather(
        asyncio.to_thread(shop.figures.read),
        shop.nodes.ask("POST", f"/{PRODUCTS}/_search", _SHORT),
        shop.remembered(shop.memory.counts(), {}),
        shop.remembered(shop.memory.trending_texts(_LISTED), []),
        shop.remembered(shop.memory.nothing_found(_LISTED), []),
    )
    known = await shop.attributes(row["product_id"] for row in figures.rows["trending"])
    searches = counts.get("searches", 0)
    return {
        "minutes": figures.rows["minutes"],
        "figures_trouble": figures.trouble,
        "suspicious_orders": figures.rows["suspicious_orders"][:_LISTED],
        "trending": [
            {**row, "name": known[row["product_id"]]["name"]["en"]}
            for row in figures.rows["trending"]
            if row["product_id"] in known
        ],
        "short": {
            "products": short["hits"]["total"]["value"],
            "gone": short["aggregations"]["gone"]["doc_count"],
            "newest": [
                {
                    "product_id": row["product_id"],
                    "name": row["name"]["en"],
                    "pieces": row["inventory_count"],
                    "reorder_point": row["reorder_point"],
                    "since": row["short_at"],
                }
                for row in (hit["_source"] for hit in short["hits"]["hits"])
            ],
        },
        "searches": {
            "today": searches,
            "clicks": counts.get("clicks", 0),
            "without_result": counts.get("nothing", 0),
            "corrected": counts.get("corrected", 0),
            **shop.times(),
        },
        "texts": [{"text": text, "count": count} for text, count in texts],
        "nothing_found": [{"text": text, "count": count} for text, count in nothing],
    }
