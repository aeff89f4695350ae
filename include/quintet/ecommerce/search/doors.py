"""Doors of the search in the lab file: OpenSearch as who searches or indexes, Redis, the shop's live figures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from quintet.ecommerce.search.figures import Figures
from quintet.ecommerce.search.nodes import SearchDoor
from quintet.errors import SettingsError
from quintet.postgres import connect
from quintet.settings import Lab

__all__ = ["figures_of", "memory_of", "redis_of", "search_door"]

#: Seconds for Redis' answers: to the service, which goes on without them, and to the feed.
_HURRY, _PATIENCE = 0.25, 10.0


def search_door(lab: Lab, role: str) -> SearchDoor:
    """OpenSearch as `reader` or `writer`.

    Raises:
        SettingsError: the lab has no search.

    """
    options = lab.options.get("search")
    if not options:
        raise SettingsError(
            f"the lab file {lab.file} has no search", remedy="Install the profile: make install PROFILES=…,search"
        )
    user = options[role]
    nodes = options.get("nodes") or [lab.endpoint("search").url]
    return SearchDoor(tuple(nodes), user, lab.secret(f"search_{user}"), Path(options["ca"]))


def redis_of(lab: Lab) -> Redis:
    """Redis for the feed."""
    return Redis(**_redis(lab, _PATIENCE))


def memory_of(lab: Lab) -> AsyncRedis:
    """Redis for the service."""
    return AsyncRedis(**_redis(lab, _HURRY))


def figures_of(lab: Lab) -> Figures:
    """Figures from the shop's database."""
    return Figures(partial(connect, lab, "shop", program="quintet shop", patience=2))


def _redis(lab: Lab, seconds: float) -> dict[str, Any]:
    door, user = lab.endpoint("redis"), lab.options["redis"]["user"]
    return {
        "host": door.host,
        "port": door.port,
        "username": user,
        "password": lab.secret(f"redis_{user}"),
        "decode_responses": True,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
    }
