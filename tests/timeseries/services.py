"""The service on a free loopback port, in a thread, until the test is over."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from quintet.timeseries.server import create_app
from quintet.timeseries.service import Service, ServiceOptions
from quintet.timeseries.storage import Storage
from quintet.webservice.tokens import Tokens

__all__ = ["served"]

#: Seconds for an answer; it stops a hanging test and measures nothing.
_LIMIT = 120


@contextmanager
def served(
    store: Storage, *, tokens: Tokens | None = None, options: ServiceOptions | None = None, token: str = ""
) -> Iterator[httpx.Client]:
    """A client of a service over `store`."""
    service = Service(store, tokens=tokens or Tokens(), options=options or ServiceOptions())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(service), log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=address, headers=headers, timeout=_LIMIT, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
