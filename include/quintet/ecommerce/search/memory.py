"""What Redis keeps for the search: recent behaviour of users, what was searched, which stock changes were seen.

| key | what | kept |
|---|---|---|
| shop:recent:<user> | list of `product:points`, newest first | a week, `RECENT` entries |
| shop:queries:<ten minutes> | sorted set, text: searches | two hours, `TEXTS` texts |
| shop:nothing:<day> | sorted set, text: searches that found nothing | a week, `TEXTS` texts |
| shop:searches:<day> | hash of counts | a week |
| shop:seen:<epoch>:<product>:<place>:<ms> | offset of the first record of a stock change | `SEEN_SECONDS` |

All of it can be lost without harm: what is bought and what is there stands elsewhere. Texts are kept without who
typed them.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis as AsyncRedis

from quintet.ecommerce.search.asking import Taste

__all__ = [
    "RECENT",
    "SEEN_SECONDS",
    "TASTES",
    "Memory",
    "keep_recent",
    "seen_key",
    "taste_of",
]

RECENT, TEXTS, SEEN_SECONDS = 30, 1000, 600
#: Attributes of products that make a taste.
TASTES = ("brand", "colour", "material", "category")
#: A text longer than this is not kept.
_LONGEST = 80
_WEEK, _HOURS = 7 * 86_400, 2 * 3600
_TEN_MINUTES_MS = 600_000
#: What a step back in time leaves of a point; what a taste must have of all to count.
_FADING, _LEAST = 0.9, 0.15


def taste_of(recent: Sequence[tuple[int, int]], products: Mapping[int, Mapping[str, Any]]) -> Taste:
    """A user's taste: of each attribute the values that much of the recent behaviour went to.

    Args:
        recent: products and points, newest first.
        products: their attributes; products that are not among them do not count.

    """
    sums: dict[str, dict[str, float]] = {name: defaultdict(float) for name in TASTES}
    total = 0.0
    for place, (product, points) in enumerate(recent):
        found = products.get(product)
        if found is not None:
            weight = points * _FADING**place
            total += weight
            for name in TASTES:
                sums[name][found[name]] += weight
    return {
        name: shares
        for name, values in sums.items()
        if (shares := {value: weight / total for value, weight in values.items() if weight / total >= _LEAST})
    }


class Memory:
    """What the service asks of Redis and tells it; raises redis.RedisError where that does not answer."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def answers(self) -> bool:
        """Whether Redis answers; False is never told, for then it raises."""
        return bool(await self._redis.ping())

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def recent(self, user: int) -> list[tuple[int, int]]:
        """Products that a user lately looked at, put into a cart or bought, with points, newest first."""
        found = await self._redis.lrange(f"shop:recent:{user}", 0, RECENT - 1)
        pairs = (entry.split(":") for entry in found)
        return [(int(product), int(points)) for product, points in pairs]

    async def searched(self, text: str, *, matched: str, is_first_page: bool) -> None:
        """Count a search."""
        now = time.time()
        day = _day(now)
        counted = [matched, *(["searches"] if is_first_page else ["pages"])]
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in counted:
                pipe.hincrby(f"shop:searches:{day}", name, 1)
            pipe.expire(f"shop:searches:{day}", _WEEK)
            kept = text.casefold()
            if is_first_page and kept and len(kept) <= _LONGEST:
                name, seconds = f"shop:queries:{int(now * 1000) // _TEN_MINUTES_MS}", _HOURS
                if matched == "nothing":
                    name, seconds = f"shop:nothing:{day}", _WEEK
                pipe.zincrby(name, 1, kept)
                # Somebody who sends ever other texts fills no memory.
                pipe.zremrangebyrank(name, 0, -TEXTS - 1)
                pipe.expire(name, seconds)
            await pipe.execute()

    async def clicked(self, product: int, user: int | None, points: int) -> None:
        """Count a click on a product of an answer, and remember it for its user."""
        async with self._redis.pipeline(transaction=False) as pipe:
            day = _day(time.time())
            pipe.hincrby(f"shop:searches:{day}", "clicks", 1)
            pipe.expire(f"shop:searches:{day}", _WEEK)
            if user is not None:
                keep_recent(pipe, user, [(product, points)])
            await pipe.execute()

    async def trending_texts(self, count: int) -> list[tuple[str, int]]:
        """Texts of the last hour that were searched most and found something."""
        newest = int(time.time() * 1000) // _TEN_MINUTES_MS
        names = [f"shop:queries:{newest - back}" for back in range(6)]
        found = await self._redis.zunion(names, withscores=True)
        return [(text, int(times)) for text, times in sorted(found, key=lambda pair: (-pair[1], pair[0]))[:count]]

    async def nothing_found(self, count: int) -> list[tuple[str, int]]:
        """Texts of today that found nothing, most often searched first."""
        name = f"shop:nothing:{_day(time.time())}"
        found = await self._redis.zrange(name, 0, count - 1, desc=True, withscores=True)
        return [(text, int(times)) for text, times in found]

    async def counts(self) -> dict[str, int]:
        """Today's counts of searches: searches, pages, clicks, and how they matched."""
        found = await self._redis.hgetall(f"shop:searches:{_day(time.time())}")
        return {name: int(value) for name, value in found.items()}


def keep_recent(pipe: Any, user: int, seen: Iterable[tuple[int, int]]) -> None:
    """Add products and points, oldest first, to a user's recent behaviour; `pipe` is a pipeline of Redis."""
    name = f"shop:recent:{user}"
    pipe.lpush(name, *(f"{product}:{points}" for product, points in seen))
    pipe.ltrim(name, 0, RECENT - 1)
    pipe.expire(name, _WEEK)


def seen_key(epoch: str, product: int, place: int, at_ms: int) -> str:
    """Key of a stock change: the same for its duplicates; an epoch begins where the stock is the catalogue's."""
    return f"shop:seen:{epoch}:{product}:{place}:{at_ms}"


def _day(now: float) -> str:
    return time.strftime("%Y%m%d", time.gmtime(now))
