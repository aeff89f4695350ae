"""A rolling restart under writes: nothing confirmed is lost; and a lab that is not whole is not touched."""

from __future__ import annotations

import pytest
from tests.compose.nodes import PLAYBOOK_LIMIT, ROOT, Nodes, quoted, run, wait
from tests.compose.test_03_failover import WRITER
from tests.compose.test_04_streams import PYTHON

pytestmark = pytest.mark.compose

#: Where programs write from; of it, too, only the services are restarted.
CLIENT = "worker-node3"
ROWS = (
    WRITER
    + """
ask 'drop table if exists rolling; create table rolling (number int primary key)'
for number in $(seq 1 1000000); do
  [[ ! -f /tmp/rolling.stop ]] || break
  ask "insert into rolling values ($number)" 2>/dev/null && echo $number >>/tmp/rolling.rows
done
"""
)
TOPIC = "quintet-rolling"
#: Numbers one by one; each is noted when all copies that must have it do.
RECORDS = f"""
import pathlib, time
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from quintet.settings import load_lab
from quintet.streams.clients import client_settings
from quintet.streams.topics import admin
lab = load_lab()
user = lab.options["kafka"]["admin"]
client = admin(lab, user=user)
client.create_topics([NewTopic("{TOPIC}", 3)])["{TOPIC}"].result(timeout=60)
settings = client_settings(lab, user=user) | {{"acks": "all", "enable.idempotence": True, "linger.ms": 0}}
producer = Producer(settings | {{"delivery.timeout.ms": 120000}})
with pathlib.Path("/tmp/rolling.records").open("a") as noted:
    def note(error, message):
        if error is None:
            noted.write(message.value().decode() + "\\n")
            noted.flush()
    for number in range(1000000):
        if pathlib.Path("/tmp/rolling.stop").exists():
            break
        producer.produce("{TOPIC}", str(number).encode(), on_delivery=note)
        producer.poll(0)
        time.sleep(0.02)
    producer.flush(180)
"""
READ = f"""
from confluent_kafka import Consumer, TopicPartition
from quintet.settings import load_lab
from quintet.streams.clients import client_settings
from quintet.streams.topics import admin
lab = load_lab()
user = lab.options["kafka"]["admin"]
reader = Consumer(client_settings(lab, user=user) | {{"group.id": "{TOPIC}", "enable.auto.commit": False}})
for number in range(3):
    place = TopicPartition("{TOPIC}", number, 0)
    _, end = reader.get_watermark_offsets(place, timeout=60)
    reader.assign([place])
    seen = 0
    while seen < end:
        message = reader.poll(60)
        if message is None or message.error():
            raise SystemExit(f"{{place}}: {{message and message.error()}}")
        seen = message.offset() + 1
        print(message.value().decode())
reader.close()
admin(lab, user=user).delete_topics(["{TOPIC}"])["{TOPIC}"].result(timeout=60)
"""
#: Seconds for writers to begin, and for a lab to be whole.
LIMIT = 600


@pytest.fixture(scope="module")
def lab(nodes: Nodes) -> Nodes:
    """The lab with all that has copies, which is whole."""
    nodes.need("streaming", "search")
    wait(lambda: not unwell(nodes), LIMIT, "the lab is whole")
    return nodes


def unwell(lab: Nodes) -> str:
    """What the gate finds wrong; nothing when it lets a node go."""
    told = lab.quintet("gate", expect=None)
    return "\n".join(line for line in told.splitlines() if line.startswith(("WRONG", "quintet:")))


def rolling(*arguments: str) -> tuple[int, str]:
    """Exit code and output of the playbook."""
    program = ROOT / ".venv" / "bin" / "ansible-playbook"
    done = run([program, "-i", "inventories/compose", "playbooks/rolling.yml", *arguments], 2 * PLAYBOOK_LIMIT)
    return done.returncode, done.stdout


def count(lab: Nodes, what: str) -> int:
    return int(lab.on(CLIENT, f"cat /tmp/rolling.{what} 2>/dev/null | wc -l"))


def test_every_service_is_another_process_afterwards_and_nothing_confirmed_is_lost(lab: Nodes) -> None:
    before = {name: lab.units(name) for name in lab.names}
    lab.on(CLIENT, "rm -f /tmp/rolling.*")
    lab.on(CLIENT, f"cat >/tmp/rolling.py <<'END'\n{RECORDS}\nEND\nchmod 0644 /tmp/rolling.py")
    lab.on(CLIENT, f"nohup bash -c {quoted(ROWS)} </dev/null >/tmp/rolling.log 2>&1 &")
    lab.on(CLIENT, f"cd /tmp; nohup {PYTHON} /tmp/rolling.py </dev/null >/tmp/rolling.err 2>&1 &")
    try:
        wait(lambda: count(lab, "rows") > 10 and count(lab, "records") > 100, LIMIT, "rows and records are written")
        code, output = rolling()
        assert code == 0, output[-6000:]
        rows, records = count(lab, "rows"), count(lab, "records")
        wait(lambda: count(lab, "rows") > rows and count(lab, "records") > records, LIMIT, "both are written still")
    finally:
        lab.on(CLIENT, "touch /tmp/rolling.stop")
    wait(lambda: lab.on(CLIENT, "pgrep -f '[r]olling.py' || echo none") == "none\n", LIMIT, "the producer has ended")
    after = {name: lab.units(name) for name in lab.names}
    assert {name: set(units) for name, units in after.items()} == {name: set(units) for name, units in before.items()}
    same = [(name, unit) for name, units in before.items() for unit, pid in units.items() if after[name][unit] == pid]
    assert same == []
    confirmed = {int(line) for line in lab.on(CLIENT, "cat /tmp/rolling.rows").splitlines()}
    there = {int(line) for line in lab.on(CLIENT, f"{WRITER} ask 'select number from rolling'").splitlines()}
    assert confirmed - there == set()
    confirmed = {int(line) for line in lab.on(CLIENT, "cat /tmp/rolling.records").splitlines()}
    there = {int(line) for line in lab.on(CLIENT, f"{PYTHON} - <<'END'\n{READ}\nEND").splitlines()}
    assert confirmed - there == set()
    assert unwell(lab) == ""


def test_a_lab_that_is_not_whole_is_not_touched_and_what_is_missing_is_named(lab: Nodes) -> None:
    lab.on("cpu-node2", "systemctl stop quintet-kafka")
    before = {name: lab.units(name) for name in lab.names}
    try:
        code, output = rolling("-e", "rolling_patience_s=10")
    finally:
        lab.on("cpu-node2", "systemctl start quintet-kafka")
    assert code != 0
    assert "stopped at cpu-node1, before anything was done there" in output
    assert "not well: cpu-node2: kafka runs" in output
    assert "not well: the lab: kafka has all copies" in output
    assert "--limit cpu-node1,cpu-node2,worker-node3,worker-node4,gpu-node" in output
    after = {name: lab.units(name) for name in lab.names}
    after["cpu-node2"].pop("kafka", None)
    assert after == before
    wait(lambda: not unwell(lab), LIMIT, "the lab is whole again")


def test_one_node_can_be_restarted_alone(lab: Nodes) -> None:
    before = {name: lab.units(name) for name in lab.names}
    code, output = rolling("--limit", "worker-node4")
    assert code == 0, output[-6000:]
    after = {name: lab.units(name) for name in lab.names}
    assert [name for name in lab.names if after[name] != before[name]] == ["worker-node4"]
