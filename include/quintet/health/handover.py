"""Hand over what this node is the primary of, so that its stop is the stop of a replica."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from quintet.errors import LabError
from quintet.health.clusters import postgres_members
from quintet.health.sentinels import answer, named_primaries
from quintet.settings import Lab

__all__ = ["hand_over"]

#: Seconds for one question, and for a change of the primary.
TIMEOUT, LIMIT = 10.0, 180.0
#: Seconds between two looks.
PAUSE = 1.0
#: Redis takes no writes for so many ms, so that none is confirmed that its successor lacks. Sentinels cannot talk
#: through it meanwhile: it ends before any of them takes the primary for lost, which is after eight seconds at least.
STILL_MS = 7500


def hand_over(lab: Lab) -> list[str]:
    """Make another node primary of PostgreSQL and of Redis where this one is; what was done, one line each.

    Raises:
        LabError: nobody took over.

    """
    done = []
    if lab.node in lab.options.get("postgres", {}).get("members", {}):
        done.append(_postgres(lab))
    if "sentinels" in lab.options.get("redis", {}) and lab.node in {node.name for node in lab.where("redis")}:
        done.append(_redis(lab))
    return [line for line in done if line]


def _postgres(lab: Lab) -> str:
    if _leader(lab) != lab.node:
        return ""
    options = lab.options["postgres"]
    url = options["members"][lab.node]
    try:
        told = httpx.post(
            f"{url}/switchover",
            json={"leader": lab.node},
            auth=(options["user"], lab.secret("postgres_patroni")),
            timeout=LIMIT,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise LabError(f"{url}: {error}", remedy="Read: quintet logs postgres") from error
    # Patroni watches for ten looks or so, then says 503: it does not know yet.
    if told.is_client_error:
        raise LabError(f"Patroni hands nothing over: {told.text[:300]}", remedy="Read: quintet logs postgres")
    _wait(lambda: _leader(lab) not in {"", lab.node}, "another server is PostgreSQL's primary")
    return f"PostgreSQL: {_leader(lab)} is primary"


def _leader(lab: Lab) -> str:
    members = postgres_members(lab, TIMEOUT).values()
    return next((str(member["name"]) for member in members if member["role"] == "leader"), "")


def _redis(lab: Lab) -> str:
    own = f"{lab.nodes[lab.node].address}:{lab.endpoint('redis').port}"
    if own not in named_primaries(lab, TIMEOUT).values():
        return ""
    admin = lab.options["redis"]["admin"]
    try:
        answer(lab, own, f"CLIENT PAUSE {STILL_MS} WRITE", TIMEOUT, user=admin)
        try:
            _until_copied(lab, own, admin)
            _fail_over(lab, admin)
        except (OSError, ValueError, LabError):
            answer(lab, own, "CLIENT UNPAUSE", TIMEOUT, user=admin)
            raise
    except (OSError, ValueError) as error:
        raise LabError(f"Redis at {own}: {error}", remedy="Read: quintet logs redis") from error
    _wait(lambda: not {own, ""} & set(named_primaries(lab, TIMEOUT).values()), "every sentinel names another primary")
    return f"Redis: {next(iter(named_primaries(lab, TIMEOUT).values()))} is primary"


def _until_copied(lab: Lab, own: str, admin: str) -> None:
    """Wait until a replica has all that was written, for half of the time in which nothing is."""
    end = time.monotonic() + STILL_MS / 2000
    written = None
    while time.monotonic() < end:
        lines = answer(lab, own, "INFO replication", TIMEOUT, user=admin)[0].splitlines()
        told = dict(line.split(":", 1) for line in lines if ":" in line)
        written = int(told["master_repl_offset"]) if written is None else written
        replicas = [dict(word.split("=", 1) for word in told[name].split(",")) for name in told if _is_replica(name)]
        if any(replica["state"] == "online" and int(replica["offset"]) >= written for replica in replicas):
            return
        time.sleep(PAUSE / 4)
    raise LabError("no replica of Redis has all that was written", remedy="Ask again: quintet gate")


def _is_replica(name: str) -> bool:
    return name.startswith("slave") and name.removeprefix("slave").isdigit()


def _fail_over(lab: Lab, admin: str) -> None:
    said = []
    for place in lab.options["redis"]["sentinels"]:
        try:
            answer(lab, place, "SENTINEL FAILOVER redis", TIMEOUT, user=admin)
            return
        except (OSError, ValueError) as error:
            said.append(f"{place}: {error}")
    raise LabError(f"no sentinel changes the primary: {'; '.join(said)}", remedy="Read: quintet logs sentinel")


def _wait(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"not within {LIMIT:.0f} s: {what}", remedy="Ask: quintet gate")
        time.sleep(PAUSE)
