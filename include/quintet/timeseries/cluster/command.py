"""The command of the cluster: nodes, routers, placement, lines from Kafka.

`python -m quintet.timeseries.cluster --help`
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn
import yaml
from starlette.applications import Starlette

from quintet.errors import QuintetError, SettingsError
from quintet.timeseries.arguments import LOG_FORMAT, add_rollup
from quintet.timeseries.cluster.ledger import PlacementEditor, PlacementFeed, read_placement
from quintet.timeseries.cluster.lines import LineIngest
from quintet.timeseries.cluster.log import LogEnds, LogWriter
from quintet.timeseries.cluster.node import Node, NodeOptions
from quintet.timeseries.cluster.nodeclient import NodeClients, fetch_snapshot
from quintet.timeseries.cluster.nodeserver import create_node_app
from quintet.timeseries.cluster.placement import Placement
from quintet.timeseries.cluster.rebalance import rebalance, waiting_for
from quintet.timeseries.cluster.router import Router, RouterOptions
from quintet.timeseries.cluster.topics import Settings, Topics, create_topics
from quintet.timeseries.ending import ended_by_signals
from quintet.timeseries.promql.lexer import duration
from quintet.timeseries.server import create_app
from quintet.timeseries.service import Service, ServiceOptions
from quintet.timeseries.store import Store
from quintet.webservice.tokens import Tokens

__all__ = ["main"]

#: Seconds for the first placement to be read.
_FIRST = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code. Errors are one line on standard error."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format=LOG_FORMAT, level=logging.WARNING)
    try:
        with ended_by_signals():
            options.run(options)
    except QuintetError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m quintet.timeseries.cluster", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    node = _verb(verbs, "node", "keep shards and answer for them", _node)
    node.add_argument("--name", required=True, help="its name in the placement")
    node.add_argument("--folder", required=True, type=Path, help="where its shards lie")
    node.add_argument("--from-snapshot", action="store_true", help="begin new shards with a snapshot of another node")
    node.add_argument("--head-points", type=int, default=1_000_000, help="points in memory for each shard")
    node.add_argument("--retention", type=duration, metavar="DURATION", help="remove blocks whose points are all older")
    add_rollup(node)
    _listening(node, 8470)

    router = _verb(verbs, "router", "serve the cluster as one database", _router)
    router.add_argument("--max-stale", type=float, default=10.0, help="seconds that an answer may be behind the log")
    _listening(router, 8471)

    lines = _verb(verbs, "lines", "store line protocol from its topic", _lines)
    lines.add_argument("--store", type=Path, help="a store of this process; without it the cluster takes the points")
    lines.add_argument("--node-token", type=Path, help="file with the token that nodes ask for")

    placement = verbs.add_parser("placement", help="which node keeps which shard")
    changes = placement.add_subparsers(required=True, metavar="CHANGE")
    create = _verb(changes, "create", "make the topics and an empty placement", _create)
    create.add_argument("--shards", type=int, default=32, help="for ever: a series stays in its shard")
    create.add_argument("--replication", type=int, default=2, help="nodes that keep each shard")
    create.add_argument("--copies", type=int, default=1, help="brokers that keep each record")
    create.add_argument("--retention-days", type=int, default=7, help="how long Kafka keeps records")
    join = _verb(changes, "join", "add a node and give it its shards", _join)
    join.add_argument("name")
    join.add_argument("address", help="as http://host:port")
    leave = _verb(changes, "leave", "take a node out after others have taken over", _leave)
    leave.add_argument("name")
    again = _verb(changes, "rebalance", "go on with what join or leave began", _rebalance)
    _verb(changes, "show", "print the placement", _show)
    for one in (join, leave, again):
        one.add_argument("--seconds", type=float, default=600, help="until it is given up; what is done stays")
        one.add_argument("--node-token", type=Path, help="file with the token that nodes ask for")
    for one in (join, leave):
        one.add_argument("--later", action="store_true", help="record it only; `rebalance` moves the shards")
    return parser


def _verb(verbs: argparse._SubParsersAction, name: str, text: str, run: object) -> argparse.ArgumentParser:  # type: ignore[type-arg]
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT,…", help="brokers")
    parser.add_argument("--kafka-settings", type=Path, help="YAML file with further settings of the Kafka client")
    parser.add_argument("--prefix", default="timeseries", help="of the names of topics")
    return parser


def _listening(parser: argparse.ArgumentParser, port: int) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--tokens", type=Path, help="tokens file; without it everybody may do everything")
    parser.add_argument("--node-token", type=Path, help="file with the token that nodes ask for")


def _settings(options: argparse.Namespace) -> Settings:
    found: dict[str, str | int | bool] = {}
    if options.kafka_settings is not None:
        try:
            found = yaml.safe_load(options.kafka_settings.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(f"settings of Kafka {options.kafka_settings}: {error}") from error
        if not isinstance(found, dict):
            raise SettingsError(f"settings of Kafka {options.kafka_settings}", remedy="Write a mapping of settings")
    return {**found, "bootstrap.servers": options.kafka}


def _topics(options: argparse.Namespace) -> Topics:
    return Topics(options.prefix)


def _tokens(options: argparse.Namespace) -> Tokens:
    return Tokens() if options.tokens is None else Tokens.read(options.tokens)


def _token(options: argparse.Namespace) -> str:
    return "" if options.node_token is None else str(options.node_token.read_text(encoding="utf-8")).strip()


def _serve(app: Starlette, options: argparse.Namespace) -> None:
    """Serve until a signal ends it."""
    uvicorn.run(
        app, host=options.host, port=options.port, log_level="warning", access_log=False, timeout_graceful_shutdown=10
    )


def _node(options: argparse.Namespace) -> None:
    settings, topics = _settings(options), _topics(options)
    defaults = NodeOptions()
    stores = replace(
        defaults.store,
        head_points=options.head_points,
        retention=options.retention,
        rollups=tuple(options.rollup),
    )
    node = Node(
        options.folder,
        options.name,
        settings,
        options=NodeOptions(store=stores, from_snapshot=options.from_snapshot, topics=topics),
        fetch=partial(fetch_snapshot, token=_token(options)),
    )
    try:
        feed = PlacementFeed(settings, topics, node.follow)
        try:
            _serve(create_node_app(node, _tokens(options), scratch=options.folder), options)
        finally:
            feed.close()
    finally:
        node.close()


@contextmanager
def _cluster(options: argparse.Namespace, routing: RouterOptions) -> Iterator[Router]:
    settings, topics = _settings(options), _topics(options)
    feed = PlacementFeed(settings, topics)
    clients = NodeClients(_token(options))
    try:
        placement = feed.wait(0, _FIRST)
        writer = LogWriter(settings, placement.shards, topics.points)
        router = Router(writer, lambda: feed.current, clients, routing, LogEnds(settings, topics.points))
        try:
            yield router
        finally:
            router.close()
            writer.close()
    finally:
        clients.close()
        feed.close()


def _router(options: argparse.Namespace) -> None:
    with _cluster(options, RouterOptions(max_stale=options.max_stale)) as router:
        service = Service(router, tokens=_tokens(options), options=ServiceOptions())
        _serve(create_app(service), options)


def _lines(options: argparse.Namespace) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings, topics = _settings(options), _topics(options)
    if options.store is not None:
        with Store.open(options.store) as store, LineIngest(store, settings, topics) as ingest:
            ingest.run(stop)
    else:
        with _cluster(options, RouterOptions()) as router, LineIngest(router, settings, topics) as ingest:
            ingest.run(stop)


def _create(options: argparse.Namespace) -> None:
    settings, topics = _settings(options), _topics(options)
    empty = Placement(options.shards, options.replication)
    made = create_topics(
        settings, topics, shards=options.shards, copies=options.copies, retention_days=options.retention_days
    )
    with PlacementEditor(settings, topics) as editor:
        if editor.current is None:
            editor.record(empty)
        sys.stdout.writelines(f"made {name}\n" for name in made)
        _print(editor.known())


def _change(options: argparse.Namespace, editor: PlacementEditor) -> None:
    if not getattr(options, "later", False):
        clients = NodeClients(_token(options))
        try:
            rebalance(editor, clients, seconds=options.seconds, told=_told)
        finally:
            clients.close()
    _print(editor.known())


def _told(placement: Placement) -> None:
    sys.stdout.write(f"recorded version {placement.version}: {waiting_for(placement)}\n")


def _join(options: argparse.Namespace) -> None:
    with PlacementEditor(_settings(options), _topics(options)) as editor:
        known = editor.known()
        if known.nodes.get(options.name) != options.address or options.name in known.leaving:
            _told(editor.record(known.joined(options.name, options.address)))
        _change(options, editor)


def _leave(options: argparse.Namespace) -> None:
    with PlacementEditor(_settings(options), _topics(options)) as editor:
        _told(editor.record(editor.known().left(options.name)))
        _change(options, editor)


def _rebalance(options: argparse.Namespace) -> None:
    with PlacementEditor(_settings(options), _topics(options)) as editor:
        _change(options, editor)


def _show(options: argparse.Namespace) -> None:
    placement = read_placement(_settings(options), _topics(options))
    sys.stdout.write("no cluster yet\n") if placement is None else _print(placement)


def _print(placement: Placement) -> None:
    state = "settled" if placement.settled else f"moving: {waiting_for(placement)}"
    lines = [f"version {placement.version}, {placement.shards} shards, {placement.replication} replicas, {state}"]
    for node, address in sorted(placement.nodes.items()):
        kept = placement.kept_by(node)
        leaving = ", leaving" if node in placement.leaving else ""
        lines.append(f"  {node}  {address}  serves {sum(kept.values())} of {len(kept)} shards{leaving}")
    sys.stdout.write("\n".join(lines) + "\n")
