"""The primary of PostgreSQL is killed while somebody writes: another takes over, and what was confirmed is there."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from tests.compose.nodes import Nodes, quoted, wait

pytestmark = pytest.mark.compose

CLIENT = "worker-node3"
#: Rows are written one by one, each in a connection of its own, by a client that notes what was confirmed.
WRITER = """
export PGPASSWORD=$(sed -n 's/^postgres_shop: //p' /srv/quintet/config/secrets.yaml) PGCONNECT_TIMEOUT=3
ask() { psql -XAtqc "$1" "host=127.0.0.1 port=15432 user=shop dbname=shop"; }
"""
WRITE = (
    WRITER
    + """
ask 'drop table if exists drill; create table drill (number int primary key)'
rm -f /tmp/drill
for number in $(seq 1 100000); do
  [[ ! -f /tmp/drill.stop ]] || break
  ask "insert into drill values ($number)" 2>/dev/null && echo "$number $(date +%s.%N)" >>/tmp/drill
done
"""
)
#: Seconds until writes must go on; the primary's lease is twenty.
LIMIT = 180


def primary(nodes: Nodes) -> str:
    """Name of the node whose server takes writes."""
    address = nodes.lab_files[CLIENT]["nodes"]["cpu-node1"]["address"]
    for host in (address, nodes.lab_files[CLIENT]["nodes"]["cpu-node2"]["address"]):
        program = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
        told = nodes.on(
            CLIENT, f"/srv/quintet/envs/service/bin/python -c '{program}' http://{host}:15433/cluster", expect=None
        )
        if told.startswith("{"):
            leaders = [entry["name"] for entry in json.loads(told)["members"] if entry["role"] == "leader"]
            if leaders:
                return str(leaders[0])
    return ""


def acknowledged(nodes: Nodes) -> int:
    return int(nodes.on(CLIENT, "cat /tmp/drill 2>/dev/null | wc -l"))


def test_a_killed_primary_is_replaced_and_no_confirmed_row_is_lost(nodes: Nodes) -> None:
    before = primary(nodes)
    nodes.on(CLIENT, "rm -f /tmp/drill.stop /tmp/drill")
    nodes.on(CLIENT, f"nohup bash -c {quoted(WRITE)} </dev/null >/tmp/drill.log 2>&1 &")
    try:
        wait(lambda: acknowledged(nodes) > 10, LIMIT, "the first rows are written")
        nodes.on(before, "systemctl kill --signal=KILL quintet-postgres; systemctl stop quintet-postgres")
        written = acknowledged(nodes)
        wait(lambda: acknowledged(nodes) > written + 10, LIMIT, "rows are written again")
    finally:
        nodes.on(CLIENT, "touch /tmp/drill.stop; sleep 4")
        nodes.on(before, "systemctl start quintet-postgres")
    after = primary(nodes)
    assert after != before
    lines = nodes.on(CLIENT, "cat /tmp/drill").splitlines()
    confirmed = {int(line.split()[0]) for line in lines}
    there = {int(line) for line in nodes.on(CLIENT, f"{WRITER} ask 'select number from drill'").splitlines()}
    assert confirmed - there == set()
    times = [float(line.split()[1]) for line in lines]
    gap = max(later - earlier for earlier, later in pairwise(times))
    print(f"writes went on after {gap:.1f} s, {len(confirmed)} confirmed rows, none lost")  # noqa: T201 - the figure


def test_the_old_primary_comes_back_as_a_replica(nodes: Nodes) -> None:
    address = nodes.lab_files[CLIENT]["nodes"][primary(nodes)]["address"]
    program = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"

    def is_whole() -> bool:
        told = nodes.on(CLIENT, f"/srv/quintet/envs/service/bin/python -c '{program}' http://{address}:15433/cluster")
        members = json.loads(told)["members"]
        roles = sorted(entry["role"] for entry in members)
        alive = all(entry["state"] in {"running", "streaming"} for entry in members)
        return alive and roles in (["leader", "replica"], ["leader", "sync_standby"])

    wait(is_whole, LIMIT, "the old primary follows the new one")
