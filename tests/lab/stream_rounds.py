"""Rounds of changes on a table that a stream writes, with care after each and without, and how long reading takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stream_drill import Drill

from quintet.lake.icebergcare import measure, meta
from quintet.lake.streamcare import care_for_stream
from quintet.lake.trino import connect, query

__all__ = ["TABLE", "Reads", "read_after_rounds"]

TABLE = "iceberg.silver_lakehouse.drill_totals"
#: Seconds for the stream to bring what was produced into the table.
CAUGHT_UP = 240.0
#: Keys of the table, and how many of them change in a round.
KEYS, CHANGES = 20_000, 2000


@dataclass(frozen=True)
class Reads:
    """Seconds of one full read, and the files that there were: data files, files of deletions."""

    what: str
    seconds: float
    data: int
    deletions: int


def read_after_rounds(drill: Drill, rounds: int, *, told: Callable[[str], None] = lambda _text: None) -> list[Reads]:
    """Read the table when it is fresh, after rounds of changes with care for each, and after as many without.

    The drill's job must run. `told` is called with what is going on.

    Raises:
        TimeoutError: the stream does not catch up.

    """
    connection = connect(drill.lab)

    def wait_for(count: int) -> None:
        end = time.monotonic() + CAUGHT_UP
        statement = f"SELECT coalesce(sum(numbers), 0) FROM {TABLE} WHERE k LIKE 'wide-%'"
        while query(connection, statement) != [[count]]:
            if time.monotonic() > end:
                raise TimeoutError(f"{TABLE} has not {count} numbers after {CAUGHT_UP:.0f} s")
            time.sleep(0.5)

    def look(what: str) -> Reads:
        told(what)
        (files,) = query(
            connection, f"SELECT count_if(content = 0), count_if(content <> 0) FROM {meta(TABLE, 'files')}"
        )
        return Reads(what, measure(connection, TABLE).read_seconds, *files)

    def change(first: int, count: int) -> int:
        done: dict[str, Any] = drill.topics("widen", str(first), str(count), str(KEYS))
        wait_for(done["produced"])
        return int(done["produced"])

    try:
        done = change(0, KEYS)
        care_for_stream(connection, TABLE)
        found = [look("fresh")]
        for what, with_care in ((f"after {rounds} rounds with care", True), (f"after {rounds} more without", False)):
            for _ in range(rounds):
                done = change(done, CHANGES)
                if with_care:
                    care_for_stream(connection, TABLE)
            found.append(look(what))
        return found
    finally:
        connection.close()
