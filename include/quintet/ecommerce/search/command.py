"""The command `python -m quintet.ecommerce.search`: build the index, serve, feed, measure the order of answers.

Where things are it reads from the lab file. `evaluate` takes its key from the environment variable QUINTET_SHOP_KEY,
as arguments are seen by others. `build`, `remove` and `evaluate` end standard output with the line `RESULT {json}`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from quintet.call import tell
from quintet.errors import GateError, LabError, QuintetError
from quintet.settings import Lab, load_lab
from quintet.webservice.tokens import SCOPES, Tokens, new_token

if TYPE_CHECKING:
    from quintet.ecommerce.search.feed import Feed

__all__ = ["KEY_VARIABLE", "main"]

KEY_VARIABLE = "QUINTET_SHOP_KEY"


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of the command; ends the process with 0 or the exit code of the error."""
    options = _parser().parse_args(arguments)
    try:
        sys.exit(options.run(options))
    except QuintetError as error:
        sys.stderr.write(f"quintet.ecommerce.search: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m quintet.ecommerce.search", description="Search of the shop's products."
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        made.set_defaults(run=run)
        return made

    build = verb("build", _build, "build the index of a catalogue beside the one in use, then move the alias")
    build.add_argument(
        "--catalogue", required=True, metavar="FOLDER", help="tables as the shop's generator writes them"
    )
    build.add_argument("--fresh", action="store_true", help="the catalogue's stock is that of now")
    build.add_argument("--without-feed", action="store_true", help="no feed follows the stock")
    verb("remove", _remove, "remove the index, as when the project is emptied; the feed waits for another")
    serve = verb("serve", _serve, "serve searches over HTTP until a signal ends it")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--keys", type=Path, required=True, metavar="FILE", help="who may do what; mode 0600")
    serve.add_argument("--requests-per-second", type=float, default=100, help="of each key (default: %(default)s)")
    verb("feed", _feed, "follow changes of stock and behaviour of users until a signal ends it")
    evaluate = verb("evaluate", _evaluate, "measure nDCG@10 over the judgement list of a catalogue")
    evaluate.add_argument("--catalogue", type=Path, required=True, metavar="FOLDER")
    evaluate.add_argument("--url", help="a running service (default: the lab's)")
    evaluate.add_argument("--floor", type=float, help="mean that must be reached (default: that of the project)")
    key = verb("key", _key, "make a key of the service; it is shown once")
    key.add_argument("--keys", type=Path, required=True, metavar="FILE")
    key.add_argument("name")
    key.add_argument("scopes", nargs="+", choices=sorted(SCOPES))
    return parser


def _build(options: argparse.Namespace) -> int:
    from quintet.ecommerce.search.indexing import build_index

    catalogue, is_fed = Path(options.catalogue), not options.without_feed
    return tell(lambda: build_index(load_lab(), catalogue, fresh=options.fresh, is_fed=is_fed))


def _remove(_: argparse.Namespace) -> int:
    from quintet.ecommerce.search.indexing import remove_index

    return tell(lambda: remove_index(load_lab()))


def _serve(options: argparse.Namespace) -> int:
    from quintet.ecommerce.search.doors import figures_of, memory_of, search_door
    from quintet.ecommerce.search.memory import Memory
    from quintet.ecommerce.search.nodes import AsyncNodes
    from quintet.ecommerce.search.server import run
    from quintet.ecommerce.search.shop import Shop, ShopOptions

    lab = load_lab()
    shop = Shop(
        AsyncNodes(search_door(lab, "reader")),
        Memory(memory_of(lab)),
        figures_of(lab),
        tokens=Tokens.read(options.keys),
        options=ShopOptions(requests_per_second=options.requests_per_second),
    )
    run(shop, host=options.host, port=options.port)
    return 0


def _feed(_: argparse.Namespace) -> int:
    from quintet.ecommerce.search.feed import follow

    is_over = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_over
        is_over = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    lab = load_lab()
    follow(lambda: _feeding(lab), lambda: is_over)
    return 0


@contextmanager
def _feeding(lab: Lab) -> Iterator[Feed]:
    from confluent_kafka import Consumer

    from quintet.catalogue.ecommerce import EVENT_TOPICS
    from quintet.ecommerce.search.doors import redis_of, search_door
    from quintet.ecommerce.search.feed import Feed, consumer_settings
    from quintet.ecommerce.search.nodes import Nodes
    from quintet.streams.clients import client_settings
    from quintet.streams.registry import Registry
    from quintet.streams.topics import provide

    provide(lab, EVENT_TOPICS.values())
    consumer = Consumer(consumer_settings(client_settings(lab)))
    try:
        with Nodes(search_door(lab, "writer")) as nodes, redis_of(lab) as redis:
            yield Feed(consumer, Registry.of(lab), nodes, redis)
    finally:
        consumer.close()


def _evaluate(options: argparse.Namespace) -> int:
    import httpx

    from quintet.ecommerce.search.relevance import DEPTH, FLOOR, measure, read_judged

    url = options.url or load_lab().endpoint("shop").url
    judged = read_judged(options.catalogue)
    floor = FLOOR if options.floor is None else options.floor
    key = os.environ.get(KEY_VARIABLE, "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    def measured() -> dict[str, Any]:
        # The service limits requests a second: one after the other stays below.
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:

            def search(text: str, language: str) -> list[int]:
                given = {"q": text, "lang": language, "size": DEPTH, "facets": False}
                answer = client.get("/api/v1/search", params=given)
                if answer.status_code != 200:
                    raise LabError(f"the search of {text!r} is refused: {answer.text[:200]}")
                return [product["product_id"] for product in answer.json()["products"]]

            found = measure(search, judged)
        if found.mean < floor:
            raise GateError(f"nDCG@{DEPTH} is {found.mean}, below {floor}", remedy=f"Worst: {found.worst[:3]}")
        return {**asdict(found), "floor": floor}

    return tell(measured)


def _key(options: argparse.Namespace) -> int:
    sys.stdout.write(f"{new_token(options.keys, options.name, options.scopes)}\n")
    return 0
