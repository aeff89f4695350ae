"""Change data capture under faults: whatever dies or is sent, source and copies have equal rows, none twice."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.lab.conftest import ROOT, LabUnderTest, wait_until

pytestmark = pytest.mark.lab

#: Bounds of waits, in seconds.
SERVICE, CAPTURE, RUN = 240, 600, 900
DAG = "lakehouse_merge_shop_changes"
TOPIC = "lakehouse.orders.changes"
ORDERS = "delta.silver_lakehouse.shop_orders"


class Streams:
    """What the drills do to the lab: run its programs as its user, and ask what came out."""

    def __init__(self, lab: LabUnderTest) -> None:
        self.under_test = lab

    def python(self, *arguments: str, given: str | None = None, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run Python of the streaming environment as the lab's user."""
        done = self.start(*arguments).communicate(given, timeout=CAPTURE)
        assert self.last.returncode == expect, f"{arguments} ended with {self.last.returncode}: {done[0][-4000:]}"
        return subprocess.CompletedProcess(arguments, expect, done[0])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it."""
        lab = self.under_test.lab
        user = (
            ["setpriv", "--reuid", lab.user, "--regid", lab.user, "--init-groups", "--"] if lab.user != "root" else []
        )
        self.last = subprocess.Popen(
            [*user, str(lab.environment("streaming").python), *arguments],
            cwd=lab.path("home"),
            env={**self.under_test.environment, "QUINTET_LAB": str(lab.file), "HOME": str(lab.path("home"))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self.last

    def operate(self, *words: str) -> dict[str, Any]:
        """Result of a verb of `quintet.lakehouse.shop.operate`."""
        return result(self.python("-m", "quintet.lakehouse.shop.operate", *words).stdout)

    def call(self, function: str, **arguments: Any) -> Any:
        """Result of a function."""
        return result(self.python("-m", "quintet.call", function, given=json.dumps(arguments)).stdout)

    def script(self, text: str) -> Any:
        """What a few lines of Python print as `RESULT {json}`; they have `lab` and `SHOP`."""
        head = (
            "import json\nfrom quintet.settings import load_lab\nfrom quintet.catalogue.shop import SHOP\n"
            "from quintet.cdc.database import connect\nlab = load_lab()\n"
        )
        return result(self.python("-c", head + text).stdout)

    def statements(self, *statements: str) -> None:
        """Run statements in the shop's database as its owner, in one transaction."""
        self.script(
            f"with connect(lab, SHOP.database) as shop:\n    for statement in {list(statements)!r}:\n"
            "        shop.execute(statement)\nprint('RESULT {}')"
        )

    def run(self, *options: str, expect: int = 0) -> dict[str, Any]:
        """Outcome of `quintet run lakehouse --cdc`."""
        done = self.under_test.quintet("run", "lakehouse", "--cdc", "--json", *options, expect=expect)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def verify(self) -> None:
        """All checks of `quintet verify lakehouse --cdc` hold."""
        done = self.under_test.quintet("verify", "lakehouse", "--cdc", "--json", expect=None)
        wrong = [check for check in json.loads(done.stdout)["checks"] if not check["ok"]]
        assert wrong == []

    def send(self, topic: str, key: str | None, value: str | None) -> None:
        """Send one record, key and value as hexadecimal digits."""
        self.script(
            "from confluent_kafka import Producer\nfrom quintet.streams.clients import client_settings\n"
            "producer = Producer(client_settings(lab))\n"
            f"key, value = {key!r}, {value!r}\n"
            f"producer.produce({topic!r}, key=None if key is None else bytes.fromhex(key), "
            "value=None if value is None else bytes.fromhex(value))\n"
            "left = producer.flush(60)\nassert left == 0\nprint('RESULT {}')"
        )


def result(output: str) -> Any:
    lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
    assert lines, output[-4000:]
    return json.loads(lines[-1].removeprefix("RESULT "))


@pytest.fixture(scope="module")
def streams(installed: LabUnderTest) -> Streams:
    if not {"lakehouse", "streaming"} <= set(installed.lab.profiles):
        pytest.skip("the lab under test has no streams: QUINTET_TEST_PROFILES=lakehouse,streaming")
    return Streams(installed)


def running(lab: LabUnderTest, name: str) -> Callable[[], bool]:
    def look() -> bool:
        services = json.loads(lab.quintet("status", "--json", expect=None).stdout)["services"]
        return any(service["name"] == name and service["state"] == "RUNNING" for service in services)

    return look


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
    again = streams.run("--changes", "0")["prepared"]
    assert (again["topics_created"], again["topics_changed"], again["rules_set"]) == ([], [], [])
    assert again["connector"] == "same"


@pytest.mark.parametrize("service", ["connect", "kafka", "postgres"])
def test_a_service_that_is_killed_under_load_loses_and_doubles_nothing(streams: Streams, service: str) -> None:
    lab = streams.under_test
    with under_load(streams, seed=len(service)):
        wait_until(lambda: streams.operate("show")["state"] == "RUNNING", CAPTURE, "the capture runs")
        lab.kill_tree(lab.service_pid(service))
        wait_until(running(lab, service), SERVICE, f"{service} is back")
    wait_until(lambda: streams.operate("show").get("tasks") == ["RUNNING"], CAPTURE, "the capture runs again")
    assert streams.run("--changes", "200", "--seed", "5")["state"] == "success"
    streams.verify()


def test_records_that_cannot_be_read_are_put_aside_with_the_reason_and_can_be_sent_again(streams: Streams) -> None:
    before = streams.operate("letters", TOPIC)["letters"]
    assert before == []
    streams.send(TOPIC, "00", "7b7d")  # no schema in front
    streams.send(TOPIC, "00", "00000f423f00")  # a schema that the registry does not have
    streams.send(TOPIC, None, "00000000010000")  # no key
    landed = streams.call("quintet.lakehouse.shop.pipeline:land_changes", run_id="drill")
    assert sum(landed["dead_letters"].values()) == 3
    found = streams.operate("letters", TOPIC)["letters"]
    assert sorted(letter["reason"] for letter in found) == ["malformed", "malformed", "null-key"]
    assert streams.operate("replay", TOPIC)["replayed"] == 3
    # They are no better than before: they come back, each once.
    again = streams.call("quintet.lakehouse.shop.pipeline:land_changes", run_id="drill")
    assert sum(again["dead_letters"].values()) == 3
    assert len(streams.operate("letters", TOPIC)["letters"]) == 3


def test_a_column_that_the_source_gains_reaches_the_copy_without_a_stop(streams: Streams) -> None:
    streams.statements("alter table orders add column if not exists channel text")
    streams.statements("update orders set channel = 'web', updated_at = now() where order_id % 2 = 0")
    assert streams.run("--changes", "0")["state"] == "success"
    lab = streams.under_test
    assert lab.value(f"select count_if(channel = 'web') from {ORDERS}") > 0
    streams.statements("alter table orders drop column channel")
    streams.statements("update orders set updated_at = now() where order_id % 3 = 0")
    assert streams.run("--changes", "0")["state"] == "success"
    streams.verify()


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


def test_a_change_that_breaks_the_contract_stops_its_topic_alone_and_names_the_owner(streams: Streams) -> None:
    lab = streams.under_test
    streams.statements("alter table payments rename column method to kind")
    try:
        streams.statements(
            "update payments set status = 'refunded' where payment_id = (select min(payment_id::text)::uuid from payments)"
        )
        done = lab.quintet("run", "lakehouse", "--cdc", "--changes", "0", expect=None)
        assert done.returncode in {5, 6}
        streams.statements(
            "update customers set credit_limit = 2 where customer_id = (select min(customer_id) from customers)"
        )
        held = streams.call("quintet.lakehouse.shop.pipeline:land_changes", run_id="drill")["held"]
        assert list(held) == ["lakehouse.payments.changes"]
        assert "the required column method is missing" in held["lakehouse.payments.changes"]
        assert "shop-backend" in held["lakehouse.payments.changes"]
    finally:
        streams.statements("alter table payments rename column kind to method")


def test_the_command_lists_dead_letters(streams: Streams) -> None:
    assert ROOT.is_dir()
    done = streams.under_test.quintet("deadletters", "list", "lakehouse", "--json")
    assert len(json.loads(done.stdout)["letters"]) == 3
