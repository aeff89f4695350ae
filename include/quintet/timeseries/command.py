"""The command `python -m quintet.timeseries`: serve a store, write to it, ask it, look after it.

Verbs that read or write take `--data FOLDER`, a store that nobody has open, or `--url ADDRESS` of a running service;
a service's token comes from the environment variable QUINTET_TIMESERIES_TOKEN, as arguments are seen by others. A store
with blocks in S3 needs the file of S3 settings: `serve --s3`, or the variable QUINTET_TIMESERIES_S3 for every verb.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from quintet.errors import InputError, QuintetError, SettingsError
from quintet.timeseries import backup
from quintet.timeseries.access import TOKEN_VARIABLE, opened
from quintet.timeseries.arguments import LOG_FORMAT, add_rollup
from quintet.timeseries.ending import ended_by_signals
from quintet.timeseries.lineprotocol import PRECISIONS
from quintet.timeseries.model import Options
from quintet.timeseries.parameters import time_of
from quintet.timeseries.promql.functions import step_of
from quintet.timeseries.promql.lexer import duration
from quintet.timeseries.promql.limits import QueryLimits
from quintet.timeseries.s3settings import SETTINGS_VARIABLE, S3Settings
from quintet.timeseries.store import Store
from quintet.webservice.tokens import SCOPES, Tokens, new_token

__all__ = ["EXIT_CODES", "main"]

EXIT_CODES = {
    0: "done",
    1: "something is wrong",
    2: "wrong usage",
    3: "a setting or the tokens file is wrong",
    4: "bad input: lines were refused, a query cannot be answered",
    6: "the store or the service does not answer as it should",
    7: "check found damage",
    130: "interrupted",
}
DEFAULT_PORT = 8427
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of the command; ends the process with one of `EXIT_CODES`."""
    options = _parser().parse_args(arguments)
    try:
        sys.exit(options.run(options))
    except QuintetError as error:
        sys.stderr.write(f"quintet.timeseries: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        sys.stderr.write(f"quintet.timeseries: {error.strerror or error}: {error.filename or ''}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m quintet.timeseries",
        description="A time-series database: serve it, write to it, ask it, look after it.",
        epilog="Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        made.set_defaults(run=run)
        return made

    def where(made: argparse.ArgumentParser) -> None:
        group = made.add_mutually_exclusive_group(required=True)
        group.add_argument("--data", type=Path, metavar="FOLDER", help="a store that nobody has open")
        group.add_argument("--url", help=f"a running service; its token in the variable {TOKEN_VARIABLE}")

    _add_serve(verb("serve", _serve, "serve a store over HTTP until a signal ends it"))
    write = verb("write", _write, "write a file of line protocol")
    where(write)
    write.add_argument("file", nargs="?", default="-", help="file, or - for the standard input (default)")
    write.add_argument("--precision", choices=sorted(PRECISIONS), default="ns", help="unit of the timestamps")
    query = verb("query", _query, "answer a PromQL query, at one time or with --step over a time")
    where(query)
    query.add_argument("query", help="for example 'rate(requests_total[5m])'")
    query.add_argument("--time", help="seconds since the epoch or RFC 3339 (default: now)")
    query.add_argument("--start", help="first step of a range")
    query.add_argument("--end", help="last step of a range (default: now)")
    query.add_argument("--step", help="distance of the steps, for example 30s")
    sql = verb("sql", _sql, "answer a SELECT over the table points")
    where(sql)
    sql.add_argument("statement", help="for example \"SELECT count(*) FROM points WHERE metric = 'cpu_user'\"")
    down = verb("downsample", _downsample, "aggregates of series by bucket, gaps filled on demand")
    where(down)
    down.add_argument("selector", help="for example 'cpu_user{host=\"a\"}'")
    down.add_argument("--start", required=True, help="seconds since the epoch or RFC 3339")
    down.add_argument("--end", help="(default: now)")
    down.add_argument("--step", required=True, help="width of the buckets, for example 1h")
    down.add_argument("--fill", default="none", help="none, null, previous, linear or a number (default: %(default)s)")
    explain = verb("explain", _explain, "say which blocks and chunks a query would touch")
    where(explain)
    explain.add_argument("query", help="PromQL, or SQL with --sql")
    explain.add_argument("--sql", action="store_true", help="the query is SQL")
    explain.add_argument("--start", help="first step (default: the last)")
    explain.add_argument("--end", help="last step (default: now)")
    for made in (query, sql, down, explain):
        made.add_argument("--json", action="store_true", help="print JSON for programs")
    for name, run, text in (
        ("flush", _flush, "write what is in memory as a block"),
        ("compact", _compact, "merge blocks and take deleted points off the disk"),
        ("roll-up", _roll_up, "bring the rollups up to date for the days that are over"),
    ):
        where(verb(name, run, text))
    _add_backup(verb)
    prove = verb("prove-s3", _prove_s3, "write, read and remove an object with a file of S3 settings")
    prove.add_argument("file", type=Path, help="S3 settings")
    token = verb("token", _token, "make a token and show it once")
    token.add_argument("file", type=Path, help="tokens file, made with mode 0600")
    token.add_argument("name", help="one word")
    token.add_argument("scopes", nargs="+", choices=sorted(SCOPES), help="what it allows")
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the store; made if it is absent")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, help="(default: %(default)s)")
    serve.add_argument("--tokens", type=Path, metavar="FILE", help="who may do what; see the verb token")
    serve.add_argument("--without-tokens", action="store_true", help="let everybody in on an address beyond this host")
    serve.add_argument("--durability", choices=("batch", "interval"), default="batch", help="when a write is answered")
    serve.add_argument("--interval-ms", type=int, default=100, help="of --durability interval (default: %(default)s)")
    serve.add_argument("--retention", type=duration, metavar="DURATION", help="remove points older than this")
    add_rollup(serve)
    serve.add_argument("--out-of-order", type=duration, metavar="DURATION", help="refuse points older than the newest")
    serve.add_argument("--warm", type=Path, metavar="FOLDER", help="folder for older blocks")
    serve.add_argument("--warm-after", type=duration, default=duration("7d"), metavar="DURATION", help="(default: 7d)")
    serve.add_argument(
        "--s3", type=Path, metavar="FILE", help=f"settings of S3 (default: {SETTINGS_VARIABLE} names it)"
    )
    serve.add_argument("--s3-after", type=duration, default=duration("30d"), metavar="DURATION", help="(default: 30d)")
    serve.add_argument("--max-series", type=int, default=Options().max_series, help="(default: %(default)s)")
    serve.add_argument("--points-per-second", type=float, metavar="N", help="quota of each token")
    serve.add_argument("--max-body", type=int, default=64 * 1024 * 1024, metavar="BYTES", help="(default: %(default)s)")
    limits = QueryLimits()
    serve.add_argument("--query-points", type=int, default=limits.points, metavar="N", help="(default: %(default)s)")
    serve.add_argument("--query-series", type=int, default=limits.series, metavar="N", help="(default: %(default)s)")
    serve.add_argument(
        "--query-seconds", type=float, default=limits.seconds, metavar="S", help="(default: %(default)s)"
    )


def _add_backup(verb: Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]) -> None:
    snapshot = verb("snapshot", _snapshot, "copy a store that nobody has open to a new folder, by links where it can")
    snapshot.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the store")
    snapshot.add_argument("target", type=Path, help="folder that does not exist")
    restore = verb("restore", _restore, "make a store of a snapshot, all of which is read and checked")
    restore.add_argument("source", type=Path, help="the snapshot")
    restore.add_argument("target", type=Path, help="folder that does not exist")
    rebuild = verb(
        "rebuild-rollups", _rebuild_rollups, "set damaged rollups aside and compute them anew from the points"
    )
    rebuild.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the store")
    check = verb("check", _check, "read every file of a store that nobody has open, and say what is damaged")
    check.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the store")


def _access(options: argparse.Namespace) -> Any:
    return opened(options.data, options.url, os.environ.get(TOKEN_VARIABLE, ""))


def _serve(options: argparse.Namespace) -> int:
    # Compiling and importing the server takes a second that the other verbs do not need.
    from quintet.timeseries.server import run
    from quintet.timeseries.service import Service, ServiceOptions

    if options.host not in _LOOPBACK and not options.tokens and not options.without_tokens:
        raise SettingsError(
            f"the address {options.host} is seen by others and there are no tokens",
            remedy="Give --tokens FILE (made by the verb token), or say --without-tokens",
        )
    tokens = Tokens.read(options.tokens) if options.tokens else Tokens()
    store_options = Options(
        durability=options.durability,
        interval_ms=options.interval_ms,
        retention=options.retention,
        out_of_order_window=options.out_of_order,
        warm=options.warm,
        warm_after=options.warm_after,
        s3=S3Settings.read(options.s3) if options.s3 else S3Settings.from_environment(),
        s3_after=options.s3_after,
        max_series=options.max_series,
        rollups=tuple(options.rollup),
    )
    limits = QueryLimits(points=options.query_points, series=options.query_series, seconds=options.query_seconds)
    service_options = ServiceOptions(
        body_bytes=options.max_body, points_per_second=options.points_per_second, limits=limits
    )
    logging.basicConfig(format=LOG_FORMAT, level=logging.WARNING)
    with ended_by_signals(), Store.open(options.data, store_options) as store:
        sys.stderr.write(f"serving {options.data} on http://{options.host}:{options.port}\n")
        run(Service(store, tokens=tokens, options=service_options), host=options.host, port=options.port)
    return 0


def _write(options: argparse.Namespace) -> int:
    body = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    with _access(options) as access:
        report = access.write(body, options.precision)
    print(f"{report['written']} points written" if "written" in report else "written")  # noqa: T201
    for error in report.get("errors", ()):
        sys.stderr.write(f"line {error['line']}: {error['message']}\n")
    if report.get("refused"):
        sys.stderr.write(f"{report['refused']} lines refused\n")
        return InputError.exit_code
    return 0


def _query(options: argparse.Namespace) -> int:
    with _access(options) as access:
        if options.step or options.start:
            start, end = time_of(options.start or ""), time_of(options.end or str(time.time()))
            data = access.query_range(options.query, start, end, step_of(options.step or "60"))
        else:
            data = access.query(options.query, time_of(options.time or str(time.time())))
    if options.json:
        _print_json(data)
        return 0
    for row in data["result"] if data["resultType"] in {"vector", "matrix"} else [{"value": data["result"]}]:
        labels = ", ".join(f"{name}={value}" for name, value in row.get("metric", {}).items())
        for moment, value in row.get("values", [row.get("value")]):
            print(f"{labels}\t{moment}\t{value}")  # noqa: T201
    return 0


def _sql(options: argparse.Namespace) -> int:
    with _access(options) as access:
        data = access.sql(options.statement)
    return _print_rows(data, options.json)


def _downsample(options: argparse.Namespace) -> int:
    start, end = time_of(options.start), time_of(options.end or str(time.time()))
    with _access(options) as access:
        data = access.downsample(options.selector, start, end, step_of(options.step), options.fill)
    return _print_rows(data, options.json)


def _print_rows(data: dict[str, Any], as_json: bool) -> int:
    if as_json:
        _print_json(data)
        return 0
    for row in [data["columns"], *data["rows"]]:
        cells = (json.dumps(cell) if isinstance(cell, dict) else "" if cell is None else str(cell) for cell in row)
        print("\t".join(cells))  # noqa: T201
    return 0


def _explain(options: argparse.Namespace) -> int:
    with _access(options) as access:
        if options.sql:
            touched = [access.explain_sql(options.query)]
        else:
            end = time_of(options.end or str(time.time()))
            touched = access.explain(options.query, time_of(options.start) if options.start else end, end)
    if options.json:
        _print_json(touched)
        return 0
    for one in touched:
        print(  # noqa: T201
            f"{one['selector']}\tblocks {one['blocks_read']} of {one['blocks_total']}\tchunks {one['chunks_read']} of "
            f"{one['chunks_total']}\tpoints {one['points']}, in memory {one['head_points']}\tbytes {one['bytes_read']}"
        )
    return 0


def _flush(options: argparse.Namespace) -> int:
    with _access(options) as access:
        access.flush()
    return 0


def _compact(options: argparse.Namespace) -> int:
    with _access(options) as access:
        _print_json(access.compact())
    return 0


def _roll_up(options: argparse.Namespace) -> int:
    with _access(options) as access:
        _print_json(access.roll_up())
    return 0


def _rebuild_rollups(options: argparse.Namespace) -> int:
    rollups = backup.set_rollups_aside(_existing(options.data))
    settings = Options(s3=S3Settings.from_environment(), rollups=tuple(rollups))
    with Store.open(options.data, settings) as store:
        _print_json({"rebuilt": len(rollups), "windows": store.roll_up()})
    return 0


def _snapshot(options: argparse.Namespace) -> int:
    with Store.open(_existing(options.data), Options(s3=S3Settings.from_environment())) as store:
        store.snapshot(options.target)
    return 0


def _restore(options: argparse.Namespace) -> int:
    Store.restore(_existing(options.source), options.target)
    return 0


def _check(options: argparse.Namespace) -> int:
    damage = backup.check(_existing(options.data))
    for error in damage:
        print(error)  # noqa: T201
    print(f"{len(damage)} damaged" if damage else "no damage")  # noqa: T201
    return 7 if damage else 0


def _prove_s3(options: argparse.Namespace) -> int:
    # Importing the S3 library takes a tenth of a second that the other verbs do not need.
    from quintet.timeseries.s3tier import S3Tier

    settings = S3Settings.read(options.file)
    with tempfile.TemporaryDirectory() as scratch:
        tier = S3Tier("s3", settings, Path(scratch) / "remote")
        try:
            tier.prove()
        finally:
            tier.close()
    print(f"{settings.endpoint}, {settings.bucket}/{settings.prefix}: an object was written, read and removed")  # noqa: T201
    return 0


def _token(options: argparse.Namespace) -> int:
    print(new_token(options.file, options.name, options.scopes))  # noqa: T201
    return 0


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder", remedy="Name the folder of a store")
    return folder


def _print_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False))  # noqa: T201
