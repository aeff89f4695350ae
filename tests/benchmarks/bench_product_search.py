# environment: search
# versions: fastapi uvicorn httpx redis
"""The shop's product search over 100,000 products in four languages, under load and while its index changes.

OpenSearch (1 GB of heap, without TLS), Redis and the service run on this machine beside the load. Fifty requests a
second are sent at their times, whether or not earlier ones were answered; a time counts from when the request was due.
Seven of ten are searches with facets, by the generator's queries with their words, synonyms, attributes and
misspellings, every third of a user with recent behaviour; two complete a text; one filters, by distance or price.
Meanwhile a hundred products a second get another stock, in batches as the feed writes them. Then the same load while
the whole index is made anew beside the one in use. The order of the answers is measured over the generator's judgement
list. The bars: p99 below 100 ms while stock changes, no request failed in either part, nDCG@10 not below its floor.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
from measuring import ROOT, headline, progress, raw, skip, tidy_end
from redis import Redis

from opensearch_server import opensearch_server
from quintet.ecommerce.generator import Scale, write_catalogue
from quintet.ecommerce.search.building import behind, build, stock_of
from quintet.ecommerce.search.definition import PRODUCTS
from quintet.ecommerce.search.documents import Catalogue
from quintet.ecommerce.search.nodes import Nodes, SearchDoor, lines
from quintet.ecommerce.search.relevance import DEPTH, FLOOR, measure, read_judged
from quintet.ecommerce.search.stock import StockChange, updates
from quintet.ecommerce.simulation import Simulation
from redis_server import redis_server

RATE, SECONDS, WARM_UP = 50, 60, 10
CHANGES, BATCH_S = 100, 0.3
PRODUCTS_COUNT, USERS = 100_000, 500
BAR_MS = 100
START_MS = 1_735_689_600_000
HEAP = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC")


class Load:
    """Requests of the mix, by chance of one seed."""

    def __init__(self, catalogue: Path) -> None:
        self._random = random.Random(7)  # noqa: S311 - data, not secrets
        queries = pq.read_table(catalogue / "queries.parquet").to_pylist()
        self._queries = [(row["query"], row["language"]) for row in queries]
        # Popular ones come first in each language.
        self._weights = [1 / (1 + place % (len(queries) // 4)) ** 0.8 for place in range(len(queries))]

    def request(self) -> tuple[str, str, dict[str, Any]]:
        """Kind, path and parameters."""
        chance = self._random
        ((text, language),) = chance.choices(self._queries, self._weights)
        drawn = chance.random()
        asked: dict[str, Any] = {"q": text, "lang": language}
        if drawn < 0.2:
            return "suggest", "/api/v1/suggest", {**asked, "q": text[: chance.randint(2, 8)].strip() or text}
        if drawn < 0.3:
            place = {"lat": 51.3, "lon": 12.4, "distance_km": 500, "sort": "distance"}
            return (
                "filtered",
                "/api/v1/search",
                {**asked, **chance.choice([place, {"min_price": 20, "max_price": 200}])},
            )
        user = {"user": chance.randrange(USERS)} if chance.random() < 1 / 3 else {}
        return "search", "/api/v1/search", {**asked, **user}


async def under_load(url: str, load: Load, seconds: float, is_over: Callable[[], bool]) -> list[dict[str, Any]]:
    """Send requests at their times; kind, status and milliseconds of each."""
    found: list[dict[str, Any]] = []
    limits = httpx.Limits(max_connections=128, max_keepalive_connections=128)
    async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False, limits=limits) as client:

        async def one(due: float) -> None:
            kind, path, asked = load.request()
            try:
                status = (await client.get(path, params=asked)).status_code
            except httpx.HTTPError:
                status = 0
            found.append({"kind": kind, "status": status, "ms": 1000 * (time.perf_counter() - due)})

        begun, sent = time.perf_counter(), 0
        tasks = set()
        while time.perf_counter() - begun < seconds or not is_over():
            due = begun + sent / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(one(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.gather(*tasks)
    return found


@contextmanager
def changing(opensearch: str, products: list[int]) -> Iterator[dict[str, float]]:
    """Write changes of stock until the block is left; how many, and the seconds that they took."""
    told = {"changes": 0.0, "seconds": 0.0, "longest_ms": 0.0}
    is_over = threading.Event()

    def write() -> None:
        chance, offset = random.Random(3), 0  # noqa: S311
        with Nodes(SearchDoor((opensearch,))) as nodes:
            index, looked = str(behind(nodes, PRODUCTS)), time.monotonic()
            begun = time.monotonic()
            while not is_over.wait(BATCH_S):
                if time.monotonic() - looked > 1:
                    index, looked = str(behind(nodes, PRODUCTS)), time.monotonic()
                count = int(CHANGES * (time.monotonic() - begun)) - int(told["changes"])
                parts = []
                for product in chance.choices(products, k=count):
                    offset += 1
                    now = int(time.time() * 1000)
                    parts.append(StockChange(0, offset, product, chance.choice((-1, 1)), 1, now, now))
                if parts:
                    before = time.monotonic()
                    answer = nodes.ask("POST", f"/{index}/_bulk", lines(updates(parts)))
                    if answer["errors"]:
                        raise RuntimeError("changes of stock were refused")
                    told["longest_ms"] = max(told["longest_ms"], 1000 * (time.monotonic() - before))
                    told["changes"] += count
            told["seconds"] = time.monotonic() - begun

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield told
    finally:
        is_over.set()
        thread.join()


@contextmanager
def service(opensearch: str, redis_port: int, folder: Path) -> Iterator[str]:
    """Address of the service, in a process of its own."""
    port = free_port()
    words = [sys.executable, str(Path(__file__).with_name("shop_server.py")), str(port), opensearch, str(redis_port)]
    with (folder / "shop").open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, env={"PYTHONPATH": str(ROOT / "include")})
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(200):
                try:
                    if httpx.get(f"{url}/ready", trust_env=False).status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def quantiles(found: list[dict[str, Any]]) -> dict[str, float]:
    """Requests, failures, and milliseconds by nearest rank."""
    took = sorted(row["ms"] for row in found)
    shares = {f"p{share}": took[math.ceil(len(took) * share / 100) - 1] for share in (50, 95, 99)}
    return {
        "requests": len(took),
        "failed": sum(row["status"] != 200 for row in found),
        **{name: round(value, 1) for name, value in {**shares, "max": took[-1]}.items()},
    }


def relevance(url: str, catalogue: Path) -> Any:
    """nDCG@10 through the service."""
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:

        def first_ten(text: str, language: str) -> list[int]:
            asked = {"q": text, "lang": language, "size": DEPTH, "facets": False}
            return [row["product_id"] for row in client.get("/api/v1/search", params=asked).json()["products"]]

        return measure(first_ten, read_judged(catalogue))


def measured(scratch: Path, count: int, seconds: int) -> int:
    for name in ("opensearch", "redis"):
        (scratch / name).mkdir()
    simulation = Simulation(7, START_MS, START_MS + 3_600_000, Scale(products=count, users=1000))
    write_catalogue(scratch, simulation.shop)
    progress("catalogue made")
    with opensearch_server(scratch / "opensearch", HEAP) as opensearch, redis_server(scratch / "redis") as redis_port:
        tables = Catalogue(scratch / "catalogue")
        with Nodes(SearchDoor((opensearch,))) as nodes:
            begun = time.monotonic()
            build(nodes, tables)
            build_s = time.monotonic() - begun
            progress(f"{count:,} products indexed in {build_s:.0f} s")
            products = [row["product_id"] for rows in tables.products() for row in rows]
            remember(redis_port, products)
            with service(opensearch, redis_port, scratch) as url:
                load = Load(scratch / "catalogue")
                asyncio.run(under_load(url, load, WARM_UP, lambda: True))
                with changing(opensearch, products) as told:
                    found = asyncio.run(under_load(url, load, seconds, lambda: True))
                progress(f"while stock changes: {quantiles(found)}")
                rebuilding, rebuild_s = while_made_anew(nodes, tables, url, load)
                progress(f"while the index is made anew: {quantiles(rebuilding)}")
                good = relevance(url, scratch / "catalogue")
    return report(found, told, rebuilding, rebuild_s, build_s, count, good)


def while_made_anew(nodes: Nodes, tables: Catalogue, url: str, load: Load) -> tuple[list[dict[str, Any]], float]:
    took: list[float] = []

    def make() -> None:
        begun = time.monotonic()
        build(nodes, tables, stock=stock_of(nodes, str(behind(nodes, PRODUCTS))), epoch="same")
        took.append(time.monotonic() - begun)

    thread = threading.Thread(target=make)
    thread.start()
    found = asyncio.run(under_load(url, load, 1, lambda: not thread.is_alive()))
    thread.join()
    return found, took[0]


def remember(redis_port: int, products: list[int]) -> None:
    """Recent behaviour of every user."""
    chance = random.Random(5)  # noqa: S311
    with Redis(host="127.0.0.1", port=redis_port) as redis:
        for user in range(USERS):
            redis.rpush(f"shop:recent:{user}", *(f"{product}:1" for product in chance.choices(products, k=20)))


def report(
    found: list[dict[str, Any]],
    told: dict[str, float],
    rebuilding: list[dict[str, Any]],
    rebuild_s: float,
    build_s: float,
    count: int,
    good: Any,
) -> int:
    whole, anew = quantiles(found), quantiles(rebuilding)
    parts = {
        "**while stock changes, all**": whole,
        **{
            f"while stock changes, {kind}": quantiles([row for row in found if row["kind"] == kind])
            for kind in ("search", "suggest", "filtered")
        },
        "while the index is made anew, all": anew,
    }
    is_held = whole["p99"] < BAR_MS and whole["failed"] + anew["failed"] == 0 and good.mean >= FLOOR
    headline(
        f"at {RATE} requests/s over {count:,} products while {told['changes'] / told['seconds']:.0f} change a second, "
        f"p50 is {whole['p50']} ms and p99 {whole['p99']} ms (bar: {BAR_MS} ms); made anew in {rebuild_s:.0f} s "
        f"meanwhile, p99 is {anew['p99']} ms; {whole['failed'] + anew['failed']} requests failed; nDCG@10 is "
        f"{good.mean} (floor {FLOOR}): {'held' if is_held else 'MISSED'}"
    )
    lines_of = [
        "| part | requests | failed | p50 ms | p95 ms | p99 ms | max ms |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {name} | {row['requests']:,} | " + " | ".join(str(row[key]) for key in list(row)[1:]) + " |"
            for name, row in parts.items()
        ),
        "",
        f"First build: {build_s:.0f} s. Longest bulk request of stock changes: {told['longest_ms']:.0f} ms.",
        "",
        "| nDCG@10 | " + " | ".join([*good.by_kind, *good.by_language]) + " |",
        "|---|" + "---|" * (len(good.by_kind) + len(good.by_language)),
        f"| {good.mean} ({good.queries} queries) | "
        + " | ".join(str(value) for value in [*good.by_kind.values(), *good.by_language.values()])
        + " |",
    ]
    sys.stdout.write("\n".join(lines_of) + "\n\n")
    raw([{"part": name.strip("*"), **row} for name, row in parts.items()])
    return 0 if is_held else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="The product search under load, while its index changes.")
    parser.add_argument("--products", type=int, default=PRODUCTS_COUNT)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    options = parser.parse_args()
    import pytest

    with tidy_end(), tempfile.TemporaryDirectory() as scratch:
        try:
            return measured(Path(scratch), options.products, options.seconds)
        except pytest.skip.Exception as reason:
            return skip(str(reason))


if __name__ == "__main__":
    sys.exit(main())
