"""Change data capture under faults: whatever dies or is sent, source and copies have equal rows, none twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stream_drill import Drill
from tests.lab.conftest import LabUnderTest, need, wait_until
from tests.lab.gold import run_dbt
from tests.lab.streams import CAPTURE, JOB, Streams, result, running

from quintet import alerts

pytestmark = pytest.mark.lab

#: Bounds of waits, in seconds.
SERVICE, RUN = 240, 900
DAG = "lakehouse_merge_shop_changes"
TOPIC = "lakehouse.orders.changes"
#: Topic that gets records which cannot be read: Trino stops at them, so it is not the one of the federated query.
SPOILED = "lakehouse.addresses.changes"
ORDERS, STREAMED = "delta.silver_lakehouse.shop_orders", "iceberg.silver_lakehouse.shop_orders"
GOLD = "iceberg.gold_lakehouse.shop_orders_daily"
GOLD_MODEL = GOLD.rpartition(".")[2]


@pytest.fixture(scope="module")
def streams(installed: LabUnderTest) -> Streams:
    need(installed, "lakehouse", "streaming")
    stream = Drill(installed.lab, Path())
    stream.capture()
    # What is already deployed stays as it is.
    stream.flink("deploy", JOB)
    return Streams(installed)


@contextmanager
def under_load(streams: Streams, seed: int) -> Iterator[None]:
    """The shop changes while something happens to the lab; the load outlives what its database does not."""
    load = streams.start(
        "-m", "quintet.lakehouse.shop.workload", "--changes", "3000", "--rate", "150", "--seed", str(seed)
    )
    try:
        yield
    finally:
        load.communicate(timeout=CAPTURE)


def test_changes_of_every_kind_reach_both_lakes_and_are_counted(streams: Streams) -> None:
    outcome = streams.run("--changes", "1500", "--large", "400", "--seed", "21")
    assert outcome["state"] == "success"
    assert {name.partition(".")[2] for name in outcome["pieces"][-1]["changes"]} == {"c", "u", "d"}
    streams.verify()


def test_a_second_preparation_changes_nothing(streams: Streams) -> None:
    # Subjects come with the first records; until then the registry's rule holds for them, afterwards their own.
    streams.run("--changes", "0")
    again = streams.run("--changes", "0")["prepared"]
    assert (again["topics_created"], again["topics_changed"], again["rules_set"]) == ([], [], [])
    assert again["connector"] == "same"


@pytest.mark.parametrize("service", ["connect", "kafka", "postgres"])
def test_a_service_that_is_killed_under_load_loses_and_doubles_nothing(streams: Streams, service: str) -> None:
    lab = streams.under_test
    with under_load(streams, seed=len(service)):
        wait_until(streams.is_capturing, CAPTURE, "the capture runs")
        lab.kill_tree(lab.service_pid(service))
        wait_until(running(lab, service), SERVICE, f"{service} is back")
    wait_until(streams.is_capturing, CAPTURE, "the capture runs again")
    assert streams.run("--changes", "200", "--seed", "5")["state"] == "success"
    streams.verify()


def test_a_registry_that_is_down_stops_the_landing_and_moves_nothing(streams: Streams) -> None:
    lab = streams.under_test
    landing = ("-m", "quintet.call", "quintet.lakehouse.shop.pipeline:land_changes")
    result(streams.python("-m", "quintet.lakehouse.shop.workload", "--changes", "50", "--seed", "3").stdout)
    streams.operate("wait")
    lab.supervisorctl("stop", "registry")
    try:
        told = streams.python(*landing, given="{}", expect=6).stdout
        assert "the schema registry does not answer" in told
    finally:
        lab.supervisorctl("start", "registry")
    wait_until(running(lab, "registry"), SERVICE, "the registry is back")
    wait_until(lambda: "RESULT" in streams.start(*landing).communicate("{}", timeout=CAPTURE)[0], SERVICE, "it lands")
    assert streams.run("--changes", "0")["state"] == "success"
    streams.verify()


def test_compatible_changes_of_the_source_flow_on_to_gold_without_a_stop(streams: Streams, tmp_path: Path) -> None:
    lab, restarts = streams.under_test, streams.restarts()
    streams.statements(
        "alter table orders add column if not exists channel text",
        "update orders set channel = 'web', updated_at = now() where order_id % 2 = 0",
        "alter table order_lines alter column quantity type bigint",
        "update order_lines set quantity = quantity + 1 where line_number = 1",
    )
    assert streams.run("--changes", "0")["state"] == "success"
    assert lab.value(f"select count_if(channel = 'web') from {ORDERS}") > 0
    streams.verify()
    assert all(found["status"] in {"success", "pass"} for found in run_dbt(lab, tmp_path, "build", "-s", GOLD_MODEL))
    (wrong,) = lab.sql(
        "with source as (select cast(placed_at at time zone 'UTC' as date) as day, count(*) as orders, "
        "count_if(status in ('paid', 'shipped')) as paid, sum(total) as gbp from postgres.public.orders group by 1) "
        "select count(*) as days, count_if(g.orders is distinct from s.orders or g.paid_orders is distinct from s.paid "
        f"or g.ordered_gbp is distinct from s.gbp) as other from source s full join {GOLD} g on g.placed_date = s.day"
    )
    assert wrong["days"] > 10
    assert wrong["other"] == 0
    # Renamed, an optional column is another one; dropped, it holds nothing from then on.
    streams.statements(
        "alter table orders rename column channel to origin",
        "update orders set updated_at = now() where order_id % 3 = 0",
    )
    streams.statements(
        "alter table orders drop column origin", "update orders set updated_at = now() where order_id % 5 = 0"
    )
    assert streams.run("--changes", "0")["state"] == "success"
    streams.verify()
    assert streams.restarts() == restarts, "the stream has not stopped at any of them"


def test_one_query_reads_database_topic_both_copies_and_gold_and_all_say_the_same(streams: Streams) -> None:
    topic = f'kafka.default."{TOPIC}"'
    (row,) = streams.under_test.sql(
        # The newest record of a key in its topic is its row: a key stays in one partition, in order.
        "with latest as (select coalesce(after.order_id, before.order_id) as order_id, "
        f"max_by(after.status, _partition_offset) as status, max_by(op, _partition_offset) as op from {topic} "
        "where op is not null group by 1) "
        "select count(*) as orders, count_if(d.status = p.status) as in_delta, "
        "count_if(i.status = p.status) as in_iceberg, count_if(t.status = p.status) as in_topic, "
        "sum(p.total) as gbp, sum(d.total) as delta_gbp, "
        f"sum(i.total) as iceberg_gbp, (select sum(ordered_gbp) from {GOLD}) as gold_gbp, "
        "(select count(*) from latest where op <> 'd') as living "
        f"from postgres.public.orders p left join {ORDERS} d on d.order_id = p.order_id "
        f"left join {STREAMED} i on i.order_id = p.order_id left join latest t on t.order_id = p.order_id"
    )
    counts = {row[name] for name in ("orders", "in_delta", "in_iceberg", "in_topic", "living")}
    assert len(counts) == 1, row
    assert row["orders"] > 100
    assert len({row[name] for name in ("gbp", "delta_gbp", "iceberg_gbp", "gold_gbp")}) == 1, row


def test_a_table_is_read_again_on_request_and_nothing_comes_twice(streams: Streams) -> None:
    streams.operate("snapshot", "customers")
    assert streams.run("--changes", "100", "--seed", "9")["state"] == "success"
    streams.verify()


def test_a_slot_that_is_lost_is_recovered_with_the_rows_that_went_meanwhile(streams: Streams) -> None:
    streams.script(
        "from quintet.cdc import connector, slots\nfrom quintet.cdc.connect import Connect\n"
        "door, name = Connect.of(lab), connector.name_of(SHOP)\ndoor.stop(name)\n"
        "connector.wait_for(lambda: not door.state(name).tasks, 'the end', seconds=120)\n"
        "assert slots.drop(lab, SHOP)\nprint('RESULT {}')"
    )
    streams.statements(
        "delete from payments where order_id = (select min(order_id) from orders)",
        "delete from orders where order_id = (select min(order_id) from orders)",
        "update customers set credit_limit = 1 where customer_id = (select max(customer_id) from customers)",
    )
    done = streams.operate("recover")
    assert done["gone"]["orders"] == 1
    assert streams.run("--changes", "0")["state"] == "success"
    streams.verify()


def test_a_change_that_breaks_the_contract_is_refused_and_names_the_owner(streams: Streams) -> None:
    """The registry refuses the schema: nothing broken is in a topic. The owner takes it back, and all goes on."""
    streams.statements(
        "alter table payments rename column method to kind",
        "update payments set status = 'refunded' where payment_id in (select payment_id from payments limit 3)",
    )
    try:
        wait_until(lambda: streams.operate("show")["tasks"] == ["FAILED"], CAPTURE, "the connector is refused")
        told = streams.python(
            "-m", "quintet.call", "quintet.lakehouse.shop.pipeline:check_capture", given="{}", expect=5
        ).stdout
        assert "the contract lakehouse.payments.changes is broken" in told
        assert "Owner: shop-backend" in told
        assert "quintet capture recover" in told
        done = streams.under_test.quintet("run", "lakehouse", "--cdc", "--changes", "0", expect=None)
        assert done.returncode in {5, 6}
    finally:
        streams.statements("alter table payments rename column kind to method")
    streams.operate("recover")
    assert streams.run("--changes", "100", "--seed", "17")["state"] == "success"
    streams.verify()


def test_records_that_cannot_be_read_are_put_aside_with_the_reason_and_stop_neither_copy(streams: Streams) -> None:
    restarts = streams.restarts()
    assert streams.operate("letters", SPOILED)["letters"] == []
    # An alert that is open says so no second time: one of letters that are gone is closed first.
    assert streams.call("quintet.lakehouse.shop.pipeline:tell_dead_letters", run_id="drill before")["waiting"] == {}
    said = streams.send(
        SPOILED,
        ("same", "7b7d"),  # no Avro
        ("same", "00000f423f00"),  # a schema that the registry does not have
        (None, "7b7d"),  # the topic is compacted: the broker wants a key
        ("same", "00" * 5_000_000),
    )
    assert said == ["", "", "INVALID_RECORD", "MSG_SIZE_TOO_LARGE"]

    def waiting() -> dict[str, str]:
        return {letter["place"]: letter["reason"] for letter in streams.operate("letters", SPOILED)["letters"]}

    first = wait_until(lambda: len(found := waiting()) == 2 and found, CAPTURE, "the stream puts them aside")
    assert sorted(first.values()) == ["malformed", "unknown-schema"]
    landed = streams.call("quintet.lakehouse.shop.pipeline:land_changes", run_id="drill")
    assert landed["dead_letters"] == {f"{SPOILED}: malformed": 1, f"{SPOILED}: unknown-schema": 1}
    assert waiting() == first, "what both readers put aside is one dead letter"
    told = streams.call("quintet.lakehouse.shop.pipeline:tell_dead_letters", run_id="drill")
    assert sum(told["waiting"].values()) == 2
    titles = {alert["title"] for alert in streams.under_test.alerts() if "title" in alert}
    assert {
        "records of the shop's topics cannot be read",
        "records of the project's topics wait as dead letters",
    } <= titles
    shown = json.loads(streams.under_test.quintet("deadletters", "list", "lakehouse", "--json").stdout)["letters"]
    assert {letter["place"]: letter["reason"] for letter in shown} == first
    # Sent again they are no better: they come back, from their new places.
    assert streams.operate("replay", SPOILED)["replayed"] == 2
    wait_until(lambda: len(found := waiting()) == 2 and not found.keys() & first, CAPTURE, "they come back")
    again = streams.call("quintet.lakehouse.shop.pipeline:land_changes", run_id="drill")
    assert sum(again["dead_letters"].values()) == 2
    assert streams.operate("discard", SPOILED)["discarded"] == 2
    assert streams.run("--changes", "100", "--seed", "31")["state"] == "success"
    streams.verify()
    assert streams.restarts() == restarts
    streams.call("quintet.lakehouse.shop.pipeline:tell_dead_letters", run_id="drill after")
    assert not any(
        told.is_open and told.alert.source == "dead-letters" for told in alerts.read(streams.under_test.lab)
    ), "the alert is over"


def test_a_clock_in_the_future_moves_what_will_hold_and_not_what_holds(streams: Streams) -> None:
    """Order is that of the log, not of clocks: a change told later counts, whatever time the one before it told."""
    lab, history = streams.under_test, "delta.silver_lakehouse.shop_customers_history"
    number = lab.value("select max(customer_id) from postgres.public.customers")
    of_customer = f"where customer_id = {number}"
    before = float(lab.value(f"select credit_limit from postgres.public.customers {of_customer}"))
    change = "update customers set credit_limit = {}, effective_at = {}, updated_at = {} where customer_id = {}"
    ahead = "now() + interval '10 years'"
    known_now = f"from {history} {of_customer} and known_to is null and valid_from"

    streams.statements(change.format(7, ahead, ahead, number))
    assert streams.run("--changes", "0")["state"] == "success"
    streams.verify()
    holds = f"select credit_limit {known_now} <= now() and (valid_to is null or valid_to > now())"
    will_hold = f"select credit_limit {known_now} > now()"
    assert [float(lab.value(holds)), float(lab.value(will_hold))] == [before, 7]

    streams.statements(change.format(8, "now()", "now()", number))
    assert streams.run("--changes", "0")["state"] == "success"
    streams.verify()
    copied = lab.value(f"select credit_limit from delta.silver_lakehouse.shop_customers {of_customer}")
    assert [float(copied), float(lab.value(holds)), float(lab.value(will_hold))] == [8, 8, 7]


def test_a_topic_that_is_gone_is_named_and_made_and_filled_again(streams: Streams) -> None:
    """Last of all: the topics are read from their beginning again."""
    streams.script(
        "from quintet.streams.topics import admin\nclient = admin(lab, user=lab.options['kafka']['admin'])\n"
        f"(done,) = client.delete_topics([{SPOILED!r}], operation_timeout=60).values()\n"
        "done.result()\nprint('RESULT {}')"
    )
    landing = ("-m", "quintet.call", "quintet.lakehouse.shop.pipeline:land_changes")
    told = streams.python(*landing, given="{}", expect=6).stdout
    assert f"there is no topic {SPOILED}" in told
    assert "quintet run lakehouse --cdc" in told
    # What is in the log of the topic before says nothing of the one that is made now.
    done = streams.under_test.quintet("run", "lakehouse", "--cdc", "--changes", "0", expect=None)
    assert "it was made anew" in done.stdout + done.stderr
    assert "--fresh" in done.stdout + done.stderr
    assert streams.run("--changes", "0", "--fresh")["state"] == "success"
    streams.operate("recover")
    assert streams.run("--changes", "100", "--seed", "41")["state"] == "success"
    streams.verify()
