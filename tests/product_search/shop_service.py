"""The service on a free loopback port, in a thread, until the block is left."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from redis.asyncio import Redis

from quintet.ecommerce.search.figures import Figures
from quintet.ecommerce.search.memory import Memory
from quintet.ecommerce.search.nodes import AsyncNodes, SearchDoor
from quintet.ecommerce.search.server import create_app
from quintet.ecommerce.search.shop import Shop, ShopOptions
from quintet.webservice.tokens import Tokens

__all__ = ["served"]


@contextmanager
def served(
    *addresses: str | int,
    tokens: Tokens | None = None,
    options: ShopOptions | None = None,
    token: str = "",
    figures: Callable[[], Any] | None = None,
) -> Iterator[httpx.Client]:
    """A client of a service over nodes of OpenSearch (addresses) and a Redis (port)."""
    (port,) = [address for address in addresses if isinstance(address, int)]
    door = SearchDoor(tuple(address for address in addresses if isinstance(address, str)))
    redis = Redis(host="127.0.0.1", port=port, decode_responses=True, socket_timeout=0.5, socket_connect_timeout=0.5)
    shop = Shop(
        AsyncNodes(door),
        Memory(redis),
        Figures(figures),
        tokens=tokens or Tokens(),
        options=options or ShopOptions(requests_per_second=None),
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(shop), log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the service did not start"
                time.sleep(0.01)
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
