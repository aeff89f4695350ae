"""What the routes share: doors, keys, limits, taste of users, counters. Without Redis and figures search goes on."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.exceptions import RedisError

from quintet.ecommerce.search.asking import Taste
from quintet.ecommerce.search.definition import PRODUCTS
from quintet.ecommerce.search.figures import Figures
from quintet.ecommerce.search.limits import RateLimit
from quintet.ecommerce.search.memory import TASTES, Memory, taste_of
from quintet.ecommerce.search.nodes import AsyncNodes
from quintet.webservice.counters import Counters
from quintet.webservice.tokens import Tokens

__all__ = ["Shop", "ShopOptions"]

_LOG = logging.getLogger(__name__)
T = TypeVar("T")
#: Products whose attributes are known without asking; searches whose times are known.
_KNOWN, _TIMES = 20_000, 2000


@dataclass(frozen=True, kw_only=True)
class ShopOptions:
    """Limits of the service: requests a second of each key (None: none), largest body and query in bytes."""

    requests_per_second: float | None = 100
    body_bytes: int = 4096
    query_bytes: int = 4096


class Shop:
    """The search behind HTTP."""

    def __init__(
        self, nodes: AsyncNodes, memory: Memory, figures: Figures, *, tokens: Tokens, options: ShopOptions
    ) -> None:
        self.nodes, self.memory, self.figures = nodes, memory, figures
        self.tokens, self.options = tokens, options
        self.limit = RateLimit(options.requests_per_second)
        self.counters = Counters("quintet_shop_")
        self.started = time.time()
        self._times: deque[float] = deque(maxlen=_TIMES)
        self._known: OrderedDict[int, Mapping[str, Any]] = OrderedDict()

    async def remembered(self, asking: Awaitable[T], default: T) -> T:
        """What Redis tells; the default where it does not answer, which is counted."""
        try:
            return await asking
        except RedisError as error:
            self.counters.add("memory_failures_total")
            _LOG.warning("Redis: %s", error)
            return default

    async def taste(self, user: int | None) -> Taste:
        """Taste of a user; empty of nobody, of somebody who is new, and where Redis does not answer."""
        recent = [] if user is None else await self.remembered(self.memory.recent(user), [])
        if not recent:
            return {}
        return taste_of(recent, await self.attributes(product for product, _ in recent))

    async def attributes(self, products: Iterable[int]) -> Mapping[int, Mapping[str, Any]]:
        """Attributes and names of products, those that there are; raises as `AsyncNodes.ask`."""
        wanted = dict.fromkeys(products)
        missing = [product for product in wanted if product not in self._known]
        if missing:
            fields = ",".join([*TASTES, "type", "name.*"])
            body = {"ids": [str(product) for product in missing]}
            found = await self.nodes.ask("POST", f"/{PRODUCTS}/_mget?_source_includes={fields}", body)
            for entry in found["docs"]:
                if entry.get("found"):
                    self._known[int(entry["_id"])] = entry["_source"]
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return {product: self._known[product] for product in wanted if product in self._known}

    def took(self, seconds: float) -> None:
        """Remember how long a search took."""
        self._times.append(1000 * seconds)

    def times(self) -> dict[str, float]:
        """Milliseconds of the last searches: p50, p99, and how many they are."""
        ordered = sorted(self._times)
        if not ordered:
            return {"searches": 0}
        last = len(ordered) - 1
        return {
            "searches": len(ordered),
            "p50_ms": round(ordered[round(0.5 * last)], 1),
            "p99_ms": round(ordered[round(0.99 * last)], 1),
        }
