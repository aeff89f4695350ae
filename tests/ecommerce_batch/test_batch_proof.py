"""The proof of the batch layer over what Spark has published: it holds, and a wrong row of any table breaks it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

pytest.importorskip("pyspark", reason="the spark environment has it")
from shopstory import Story

from quintet.catalogue.ecommercebatch import (
    DAILY_FIGURES,
    DAY_BALANCE,
    EVENT_LOG,
    EVENTS,
    MINUTE_FIGURES,
    ORDER_LINES,
    PUBLICATIONS,
    QUARANTINE,
    USER_SESSIONS,
    WITHDRAWALS,
)
from quintet.check import Check
from quintet.ecommerce.batch.proof import GOLD, Known, checks
from sqlitelake import SqliteLake

TABLES = (
    EVENT_LOG,
    WITHDRAWALS,
    EVENTS,
    ORDER_LINES,
    QUARANTINE,
    MINUTE_FIGURES,
    USER_SESSIONS,
    DAILY_FIGURES,
    DAY_BALANCE,
    PUBLICATIONS,
)
A_LINE = "rowid = (select min(rowid) from order_lines)"
#: What is done to the tables -> checks that must fail of it.
DAMAGES = {
    "delete from event_log where rowid = (select max(rowid) from event_log where kind = 'search')": {
        "search: records that landed, distinct places"
    },
    "update event_log set topic_offset = 0 where rowid = (select max(rowid) from event_log where kind = 'purchase')": {
        "purchase: records that landed, distinct places"
    },
    "delete from withdrawals": {"page_view: records that landed, distinct places"},
    "update day_balance set late = late + 1 where rowid = (select max(rowid) from day_balance where kind = 'search')": {
        "search: records = broken + repeated + events, late ones"
    },
    "update event_log__quarantine set reasons = 'other' where rowid = "
    "(select min(rowid) from event_log__quarantine where status = 'open')": {"quarantine by kind and rule"},
    "delete from events where rowid = (select min(rowid) from events where kind = 'add_to_cart')": {
        "add_to_cart: events of each day",
        "events, distinct ones",
    },
    "update events set event_id = 'x' where kind = 'search'": {"events, distinct ones"},
    "update events set total_amount = '0.01' where rowid = (select min(rowid) from events where kind = 'purchase')": {
        "purchase: events of each day"
    },
    "update events set is_late = 1 - is_late where rowid = (select min(rowid) from events where kind = 'page_view')": {
        "page_view: events of each day"
    },
    "update events set event_date = '2020-01-01' where rowid = "
    "(select min(rowid) from events where kind = 'inventory_update')": {"inventory_update: events of each day"},
    "update events set clicks = clicks + 1 where rowid = (select min(rowid) from events where kind = 'search')": {
        "search: events of each day"
    },
    f"update order_lines set unit_price = '0.01' where {A_LINE}": {"lines of the orders"},
    f"update order_lines set ordered_at = '2025-01-01T00:00:00.001+00:00' where {A_LINE}": {"lines of the orders"},
    **{
        f"update daily_figures set {column} = {column} + 1 where rowid = "
        f"(select min(rowid) from daily_figures where dimension = '{dimension}')": {f"figures of days by {dimension}"}
        for dimension, column in (("product", "page_views"), ("category", "users"), ("country", "orders"))
    },
    **{
        f"update minute_figures set active_users = active_users + 1 where rowid = "
        f"(select min(rowid) from minute_figures where view = '{view}')": {f"minutes, {name}"}
        for view, name in (("batch", "late events included"), ("speed", "without late events"))
    },
    **{
        "update user_sessions set is_abandoned = 0 where rowid = (select min(rowid) from user_sessions where "
        f"view = '{view}' and is_abandoned)": {f"sessions, {name}", f"abandoned carts, {name}"}
        for view, name in (("batch", "late events included"), ("speed", "without late events"))
    },
    "update publications set settled_until = '2025-01-01T00:00:00.000+00:00'": {"figures are settled until"},
}


@pytest.fixture(scope="module")
def known(story: Story) -> Known:
    return Known.of(story.folder, story.truth)


@pytest.fixture(scope="module")
def published(story: Story) -> SqliteLake:
    """Days of which one was sent poisoned, taken back and sent whole, with the end of the input."""
    lake = SqliteLake()
    for table in TABLES:
        names = [column.name for column in table.columns]
        lake.put(table.name, names, [[row[name] for name in names] for row in story.log.rows(table)])
    lake.keep()
    return lake


@pytest.fixture
def lake(published: SqliteLake) -> Iterator[SqliteLake]:
    yield published
    published.undo()


def wrong(found: Iterable[Check]) -> set[str]:
    return {check.name for check in found if not check.ok and not check.where.startswith(GOLD)}


def test_what_the_batch_layer_has_published_is_what_was_counted_from_the_files(lake: SqliteLake, known: Known) -> None:
    found = list(checks(lake, known))
    assert [check for check in found if not check.ok and not check.where.startswith(GOLD)] == []
    assert len([check for check in found if check.ok]) >= 27
    assert len({check.name for check in found}) == len(found)
    assert all(check.where for check in found), "every check names its table"


def test_a_table_that_is_not_there_is_a_check_that_fails(lake: SqliteLake, known: Known) -> None:
    found = [check for check in checks(lake, known) if check.where.startswith(GOLD)]
    assert len(found) >= 20
    assert all("no such table" in check.actual for check in found)


def test_each_wrong_table_breaks_the_checks_of_it_and_no_others(lake: SqliteLake, known: Known) -> None:
    holding = {check.name for check in checks(lake, known) if check.ok}
    broken: set[str] = set()
    for statement, names in DAMAGES.items():
        lake.damage(statement)
        assert wrong(checks(lake, known)) == names, statement
        broken |= names
        lake.undo()
    # Of each kind of event the same is asked.
    parts = {name.partition(": ")[2] or name for name in holding}
    assert {name.partition(": ")[2] or name for name in broken} == parts, "a check that nothing breaks proves nothing"


def test_a_check_that_fails_says_where_and_which_rows(lake: SqliteLake, known: Known) -> None:
    lake.damage("update minute_figures set orders = orders + 7 where rowid = (select min(rowid) from minute_figures)")
    (check,) = (check for check in checks(lake, known) if not check.ok and not check.where.startswith(GOLD))
    table, lacks, has = check.where.split("; ")
    assert table == "delta.silver_ecommerce.minute_figures"
    assert lacks.startswith("lacks 2025-01-01T")
    assert has.startswith("has 2025-01-01T")
