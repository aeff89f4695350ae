"""The stream `live_figures` as its SQL says it, run on Flink: what it writes equals a recount in plain loops."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the streaming environment has it")
from shop_records import CLOSES, MARK, MARKER, at, cases, lines, the_end
from sql_run import SqlRun, sql_run

import naive_shop as naive
from naive_shop import Record
from paths import ROOT
from quintet.ecommerce.definitions import product_of

JOB = ROOT / "flink_jobs" / "ecommerce" / "live_figures"
TOPICS = {
    "page_view": "pages_viewed",
    "add_to_cart": "carts_added",
    "purchase": "orders_purchased",
    "inventory_update": "stock_updated",
    "search": "searches_made",
}
LATE = {
    "page_view": ("pages_late", ("user_id", "page", "timestamp", "session_id", "referrer", "arrived_at")),
    "add_to_cart": ("carts_late", ("user_id", "product_id", "quantity", "timestamp", "session_id", "arrived_at")),
    "purchase": ("orders_late", ("user_id", "order_id", None, "total_amount", "timestamp", "arrived_at")),
    "inventory_update": ("stock_late", ("product_id", "quantity_delta", "warehouse_id", "timestamp", "arrived_at")),
    "search": (
        "searches_late",
        ("query", "user_id", "session_id", "timestamp", "results_count", None, "search_type", None, "arrived_at"),
    ),
}
MINUTE = (
    "page_views",
    "cart_additions",
    "orders",
    "pieces",
    "revenue",
    "searches",
    "searches_without_result",
    "searches_with_click",
    "active_users",
)


@dataclass(frozen=True)
class Ran:
    """What the stream was given, and what became of it."""

    run: SqlRun
    records: Mapping[str, list[Record]]

    @property
    def events(self) -> dict[str, list[Record]]:
        """What is counted, with the time that the stream goes by."""
        found = naive.view(dict(self.records), with_late=False)
        return {kind: [row | {"happened_at": _happened(row)} for row in rows] for kind, rows in found.items()}

    @property
    def clocked(self) -> dict[str, list[Record]]:
        """The same, as if what was sent by a clock that is ahead had happened when it arrived."""
        return {kind: [row | {"timestamp": row["happened_at"]} for row in rows] for kind, rows in self.events.items()}


def _happened(row: Record) -> datetime:
    """A clock that is ahead is not believed."""
    moment: datetime = min(row["timestamp"], row["arrived_at"])
    return moment


def differences(told: Iterable[Any], expected: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Some rows too many, and some that are missing: of whole tables pytest would compare each row with each."""
    first, second = Counter(map(_fixed, told)), Counter(map(_fixed, expected))
    return list((first - second).elements())[:5], list((second - first).elements())[:5]


def _fixed(row: Any) -> Any:
    """A row that can be counted."""
    if isinstance(row, Mapping):
        return tuple(sorted((name, _fixed(value)) for name, value in row.items()))
    return tuple(map(_fixed, row)) if isinstance(row, list | tuple) else row


SAME: tuple[list[Any], list[Any]] = ([], [])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """The stream over all cases. Views come last: after the other topics they alone hold time back."""
    first, end = cases().in_order(), the_end().in_order()
    with sql_run(tmp_path_factory.mktemp("sql"), JOB) as run:
        given: Counter[str] = Counter()
        for turn in (TOPICS.keys() - {"page_view"}, {"page_view"}):
            for kind in sorted(turn):
                run.give(TOPICS[kind], lines(first[kind]))
                given[kind] = len(first[kind])
            run.wait_until(f"count of {dict(given)}", lambda: _counted(run) == given)
        for kind in TOPICS:
            run.give(TOPICS[kind], lines(end[kind]))
            given[kind] += len(end[kind])
        # Each of these is told behind all that is told of the time before it.
        run.wait_until("end of counting", lambda: _counted(run) == given)
        run.wait_until("figures of the last minute", lambda: _last_minute_is_told(run))
        run.wait_until("last session", lambda: str(MARKER) in {row[0] for row in run.printed("live_abandoned_carts")})
        run.wait_until("last window", lambda: _moment(run.printed("live_trending")[-1][0]) > at(MARK - 600))
        run.wait_until("last order", lambda: _last_order_is_told(run))
        run.stop()
        yield Ran(run, {kind: first[kind] + end[kind] for kind in TOPICS})


def _counted(run: SqlRun) -> Counter[str]:
    found: Counter[str] = Counter()
    for (kind, _hour), row in _last(run.printed("live_handled"), 2).items():
        found[kind] += int(row[0])
    return found


def _last_minute_is_told(run: SqlRun) -> bool:
    minutes = {_moment(key[0]): row for key, row in _last(run.printed("live_minutes"), 1).items()}
    row = minutes.get(at(MARK), [])
    return row[:2] == ["1", "1"] and row[5] == "1" and row[8] == "1"


def _last_order_is_told(run: SqlRun) -> bool:
    return (str(MARKER), "bulk_line") in _last(run.printed("live_suspicious_orders"), 2)


def _last(rows: list[list[str]], key: int) -> dict[tuple[str, ...], list[str]]:
    """What a table holds that is replaced by key, its first columns."""
    return {tuple(row[:key]): row[key:] for row in rows}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=UTC)


def _told(value: Any) -> str:
    """A value as the stream prints it, times apart."""
    return "null" if value is None else str(value)


def sessions_of(ran: Ran, user: int) -> list[tuple[Any, ...]]:
    """Beginning, end, number of events, whether the cart is abandoned, as the stream told them."""
    counts = ("page_views", "cart_additions", "orders", "searches")
    own = (row for row in ran.run.stored("sessions") if row["user_id"] == user)
    rows = sorted(own, key=lambda row: row["begins_at"])
    return [(row["begins_at"], row["ends_at"], sum(row[name] for name in counts), row["is_abandoned"]) for row in rows]


def expected_sessions(events: Mapping[str, list[Record]]) -> list[Record]:
    """They are told apart by when events happened; they end, and carts are weighed, by the senders' clocks."""
    moments: dict[int, list[tuple[datetime, datetime, str]]] = {}
    for kind in naive.USERS:
        for row in events[kind]:
            moments.setdefault(row["user_id"], []).append((row["happened_at"], row["timestamp"], kind))
    found = []
    for user, all_of_user in moments.items():
        runs: list[list[tuple[datetime, datetime, str]]] = []
        for moment in sorted(all_of_user):
            if runs and moment[0] - runs[-1][-1][0] <= naive.GAP:
                runs[-1].append(moment)
            else:
                runs.append([moment])
        found += [_session(user, run) for run in runs]
    return sorted(found, key=lambda row: (row["user_id"], row["begins_at"]))


def _session(user: int, run: list[tuple[datetime, datetime, str]]) -> Record:
    kinds = Counter(kind for _, _, kind in run)
    added = max((sent for _, sent, kind in run if kind == "add_to_cart"), default=None)
    bought = max((sent for _, sent, kind in run if kind == "purchase"), default=None)
    return {
        "user_id": user,
        "begins_at": run[0][0],
        "ends_at": max(sent for _, sent, _ in run),
        "page_views": kinds["page_view"],
        "cart_additions": kinds["add_to_cart"],
        "orders": kinds["purchase"],
        "searches": kinds["search"],
        "is_abandoned": added is not None and (bought is None or added > bought),
    }


def test_sessions_are_those_of_a_recount(ran: Ran) -> None:
    told = ran.run.stored("sessions")
    assert differences(told, expected_sessions(ran.events)) == SAME
    assert len(told) > 500


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param(101, [(600, 2400, 2, False)], id="a pause of the gap"),
        pytest.param(102, [(600, 600, 1, False), (2400.001, 2400.001, 1, False)], id="a millisecond more"),
        pytest.param(103, [(600, 4270, 5, False)], id="joined by an event of between"),
        pytest.param(104, [(at, at, 1, False) for at in (600, 2400.001, 4200.002)], id="three"),
        pytest.param(105, [(600 + n * 1900, 610 + n * 1900, 2, True) for n in range(4)], id="all over at once"),
        pytest.param(
            106,
            [(40_000, 41_860, 3, True), (45_400, 45_400, 1, False), (49_000, 49_000, 1, False)],
            id="open at the end",
        ),
        pytest.param(107, [(640, 700, 2, False)], id="begins before its first event came"),
        pytest.param(111, [(600, 700, 2, False)], id="bought after adding"),
        pytest.param(112, [(600, 700, 2, True)], id="added after buying"),
        pytest.param(113, [(600, 600, 1, True)], id="nothing bought"),
        pytest.param(114, [(600, 600, 2, False)], id="in the same moment"),
        pytest.param(115, [(600, 700, 3, False)], id="added before buying, came after it"),
        pytest.param(116, [(600, 700.001, 3, True)], id="a millisecond after buying"),
        pytest.param(117, [(600, 600, 1, True), (2401, 2401, 1, False)], id="bought in another session"),
        pytest.param(121, [(900, 900, 4, False)], id="two minutes late"),
        pytest.param(122, [], id="later than two minutes"),
        pytest.param(123, [(840, 900, 4, False)], id="a clock a minute ahead"),
        pytest.param(124, [], id="a clock further ahead"),
        pytest.param(125, [(870, 1000, 2, False)], id="a clock half a minute ahead"),
        pytest.param(181, [(600, 2400, 2, False)], id="a pause of the gap, two minutes late"),
        pytest.param(126, [(840, 2640, 2, False)], id="a pause counts from the arrival"),
    ],
)
def test_a_session(ran: Ran, user: int, expected: list[tuple[float, float, int, bool]]) -> None:
    assert sessions_of(ran, user) == [(at(begins), at(ends), events, left) for begins, ends, events, left in expected]


def test_carts_that_were_left_behind_are_served(ran: Ran) -> None:
    told = ran.run.printed("live_abandoned_carts")
    expected = [row for row in expected_sessions(ran.events) if row["is_abandoned"]]
    assert (
        differences(
            [(int(row[0]), _moment(row[1]), _moment(row[2]), int(row[3])) for row in told],
            [(row["user_id"], row["begins_at"], row["ends_at"], row["cart_additions"]) for row in expected],
        )
        == SAME
    )


@pytest.mark.parametrize("table", ["live_minutes", "minutes_counted"])
def test_figures_of_minutes_are_those_of_a_recount(ran: Ran, table: str) -> None:
    told = {_moment(key[0]): list(map(Decimal, row)) for key, row in _last(ran.run.printed(table), 1).items()}
    expected = naive.minutes(ran.events)
    assert (
        differences(
            told.items(),
            ((minute, [figures[name] for name in MINUTE]) for minute, figures in expected.items()),
        )
        == SAME
    )


def test_records_are_counted_as_broken_late_taken_or_again(ran: Ran) -> None:
    rows = _last(ran.run.printed("live_handled"), 2)
    told = {(key[0], _moment(key[1])): list(map(int, row)) for key, row in rows.items()}
    expected: dict[tuple[str, datetime], list[int]] = {}

    def count(kind: str, row: Record, place: int) -> None:
        hour = row["arrived_at"].replace(minute=0, second=0, microsecond=0)
        expected.setdefault((kind, hour), [0, 0, 0, 0])[place] += 1

    for kind, records in ran.records.items():
        for row in records:
            is_broken = naive.broken_by(kind, row) is not None
            count(kind, row, 0)
            if is_broken:
                count(kind, row, 1)
            elif naive.is_late(row):
                count(kind, row, 2)
        for row in ran.events[kind]:
            count(kind, row, 3)
    assert differences(told.items(), expected.items()) == SAME
    for place in range(4):
        assert all(sum(row[place] for (kind, _), row in told.items() if kind == wanted) for wanted in TOPICS)


@pytest.mark.parametrize("kind", TOPICS)
def test_what_came_late_goes_its_own_way(ran: Ran, kind: str) -> None:
    table, names = LATE[kind]
    times = ("timestamp", "arrived_at")
    told = [
        tuple(_moment(text) if name in times else text for name, text in zip(names, row, strict=True) if name)
        for row in ran.run.printed(table)
    ]
    late = [row for row in ran.records[kind] if naive.broken_by(kind, row) is None and naive.is_late(row)]
    expected = [tuple(row[name] if name in times else _told(row[name]) for name in names if name) for row in late]
    assert differences(told, expected) == SAME
    assert told


def test_events_are_stored_once(ran: Ran) -> None:
    told = Counter(
        (row["kind"], row["event_id"], row["user_id"], row["product_id"], row["happened_at"], row["arrived_at"])
        for row in ran.run.stored("live_events")
    )
    expected = Counter(
        (
            kind,
            "|".join(_part(row[name]) for name in naive.IDENTITY[kind]),
            row.get("user_id"),
            row.get("product_id"),
            row["timestamp"],
            row["arrived_at"],
        )
        for kind, rows in ran.events.items()
        for row in rows
    )
    assert differences(told.elements(), expected.elements()) == SAME


def _part(value: Any) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return str(value)


def test_what_breaks_a_rule_is_put_aside_with_the_first_that_it_breaks(ran: Ran) -> None:
    told = Counter(
        (row["kind"], row["reason"], _known(json.loads(str(row["event"]))), row["happened_at"], row["arrived_at"])
        for row in ran.run.stored("live_events__quarantine")
    )
    expected = Counter(
        (kind, why, _known(row), row["timestamp"], row["arrived_at"])
        for kind, rows in ran.records.items()
        for row in rows
        if (why := naive.broken_by(kind, row))
    )
    assert differences(told.elements(), expected.elements()) == SAME
    reasons = {
        "clock_ahead",
        "page_not_a_path",
        "quantity_not_positive",
        "total_is_not_positive",
        "nothing_bought",
        "changes_nothing",
        "results_below_zero",
    }
    assert {key[1] for key in told} == reasons


def _known(event: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What an event in quarantine keeps of each kind, lines of an order apart."""
    apart = {"products", "timestamp", "arrived_at", "clicked_products", "filters_applied"}
    known = {name: value for name, value in event.items() if name not in apart}
    if "total_amount" in known:
        known["total_amount"] = Decimal(str(known["total_amount"])).normalize()
    return tuple(sorted((name, str(value)) for name, value in known.items()))


def test_what_trends_is_what_a_recount_says(ran: Ran) -> None:
    told = sorted((_moment(row[0]), *map(int, row[1:])) for row in ran.run.printed("live_trending"))
    events = ran.clocked
    events["page_view"] = [row for row in events["page_view"] if product_of(row["page"]) is not None]
    assert differences(told, naive.trending(events)) == SAME
    assert Counter(window for window, *_ in told)[at(3000)] == 10


def test_orders_are_suspicious_by_each_rule(ran: Ran) -> None:
    told = _last(ran.run.printed("live_suspicious_orders"), 2)
    assert differences(((int(order), reason) for order, reason in told), naive.suspicious(ran.clocked)) == SAME
    orders = {row["order_id"]: row for row in ran.events["purchase"]}
    for (order, _), (user, total, ordered_at) in told.items():
        row = orders[int(order)]
        assert (int(user), Decimal(total)) == (row["user_id"], row["total_amount"])
        assert _moment(ordered_at) == row["timestamp"]
    cases = {(int(order), reason) for order, reason in told if int(order) < 10_000}
    bursts = {1714, 1734, *range(1740, 1745), 1754, *range(1840, 1845)}
    assert cases == {(order, "order_burst") for order in bursts} | {
        (1760, "large_order"),
        (1760, "bulk_line"),
        (1770, "large_order"),
        (1780, "bulk_line"),
        (1782, "bulk_line"),
    }


def test_the_end_of_the_input_is_counted_nowhere_but_in_quarantine(ran: Ran) -> None:
    assert not [row for row in ran.run.stored("live_events") if row["happened_at"] == at(CLOSES)]
    assert len([row for row in ran.run.stored("live_events__quarantine") if row["happened_at"] == at(CLOSES)]) == 5
