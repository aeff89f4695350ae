"""The product search of a benchmark, in a process of its own: `shop_server.py PORT OPENSEARCH REDIS_PORT`."""

from __future__ import annotations

import sys

from redis.asyncio import Redis

from quintet.ecommerce.search.figures import Figures
from quintet.ecommerce.search.memory import Memory
from quintet.ecommerce.search.nodes import AsyncNodes, SearchDoor
from quintet.ecommerce.search.server import run
from quintet.ecommerce.search.shop import Shop, ShopOptions
from quintet.webservice.tokens import Tokens


def main(port: str, opensearch: str, redis_port: str) -> None:
    redis = Redis(host="127.0.0.1", port=int(redis_port), decode_responses=True, socket_timeout=0.25)
    shop = Shop(
        AsyncNodes(SearchDoor((opensearch,))),
        Memory(redis),
        Figures(None),
        tokens=Tokens(),
        options=ShopOptions(requests_per_second=None),
    )
    run(shop, host="127.0.0.1", port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
