"""Proof of the capture: source and copies have the same rows, and the change log has every change once.

`python -m quintet.lakehouse.shop.proof prepare|wait|verify`, in the environment `streaming`; the last line of output is
`RESULT {json}`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from quintet.call import tell
from quintet.catalogue import SourceTable
from quintet.catalogue.shop import SHOP, SHOP_CHANGES, customer_history, delta_copy, iceberg_copy
from quintet.cdc import connector, slots
from quintet.cdc.database import connect
from quintet.cdc.rowhash import Fingerprint, fingerprint
from quintet.cdc.signals import wait_until_captured
from quintet.check import Check
from quintet.errors import LabError
from quintet.lake.tables import delta_path
from quintet.lake.trino import connect as connect_trino
from quintet.lake.trino import query
from quintet.lakehouse.shop.pipeline import prepare
from quintet.settings import Lab, load_lab
from quintet.streams.deadletters import letters

__all__ = ["checks", "in_delta", "in_iceberg", "in_source", "main"]

#: Seconds until a stream has caught up; a job commits at its checkpoints.
PATIENCE = 180.0


def in_source(lab: Lab, table: SourceTable) -> Fingerprint:
    """Fingerprint of a table in PostgreSQL, over the columns that the catalogue declares."""
    names = ", ".join(column.name for column in table.columns)
    with connect(lab, SHOP.database) as shop, shop.cursor(name="fingerprint") as cursor:
        cursor.itersize = 5000
        return fingerprint(cursor.execute(f"select {names} from {SHOP.database_schema}.{table.name}"))


def in_delta(lab: Lab, table: SourceTable) -> Fingerprint:
    """Fingerprint of its copy in Delta."""
    import pyarrow as pa
    from deltalake import DeltaTable

    names = [column.name for column in table.columns]
    reader = pa.RecordBatchReader.from_stream(DeltaTable(delta_path(lab, delta_copy(table))).scan(columns=names))
    return fingerprint(
        row for batch in reader for row in zip(*(batch.column(name).to_pylist() for name in names), strict=True)
    )


def in_iceberg(lab: Lab, table: SourceTable) -> Fingerprint | None:
    """Fingerprint of its copy in Iceberg; None: there is none, for no job writes it here."""
    trino = connect_trino(lab)
    copy = iceberg_copy(table)
    there = query(
        trino,
        "select 1 from iceberg.information_schema.tables where table_schema = ? and table_name = ?",
        [copy.schema, copy.name],
    )
    if not there:
        return None
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return fingerprint(query(trino, f"select {names} from {copy.full_name}"))


def checks(lab: Lab, truth: Mapping[str, Any] | None = None, *, patience: float = PATIENCE) -> Iterator[Check]:
    """Compare; `truth` is what workloads counted since the change log began (`quintet.lakehouse.shop.workload`).

    Raises:
        ServiceDownError: PostgreSQL or Trino does not answer.

    """
    end = time.monotonic() + patience
    for table in SHOP.tables:
        expected = in_source(lab, table)
        yield Check(f"{table.name}: Delta as PostgreSQL", str(expected), str(in_delta(lab, table)))
        found = _until(lambda table=table: in_iceberg(lab, table), expected, end)  # type: ignore[misc]
        if found is not None:
            yield Check(f"{table.name}: Iceberg as PostgreSQL", str(expected), str(found))
    trino = connect_trino(lab)
    for name, statement in _INVARIANTS.items():
        yield Check(name, "0", str(query(trino, statement)[0][0]))
    yield from _counts(trino, truth or {})
    yield from _services(lab)


def _until(look: Callable[[], Fingerprint | None], expected: Fingerprint, end: float) -> Fingerprint | None:
    """What is seen at last: what is expected, nothing at all, or what there is at the end of the patience."""
    while (found := look()) not in {None, expected} and time.monotonic() < end:
        time.sleep(3)
    return found


_LOG = SHOP_CHANGES.full_name
_HISTORY = customer_history().full_name
#: Name -> query whose value must be 0.
_INVARIANTS = {
    "places of the topics that the change log has twice": f"select count(*) - count(distinct (table_name, "
    f"topic_partition, topic_offset)) from {_LOG}",
    "changes of a transaction that the change log has twice": "select count(*) from (select table_name, key, lsn, "
    f"operation from {_LOG} where operation <> 'r' group by 1, 2, 3, 4 having count(*) > 1)",
    # A row that was read again on request has no place in the source's log.
    "changes of a row that are out of order": "select count(*) from (select lsn, lag(lsn) over (partition by "
    f"table_name, key order by topic_offset) as before from {_LOG} where lsn > 0) where lsn < before",
    "customers whose present state is not the history's": "select count(*) from (select customer_id, name, email, "
    "segment, credit_limit, is_active from delta.silver_lakehouse.shop_customers except select customer_id, name, "
    f"email, segment, credit_limit, is_active from {_HISTORY} where known_to is null and not is_deleted)",
    "pairs of states of a customer at the same two instants": f"select count(*) from {_HISTORY} a join {_HISTORY} b on "
    "a.customer_id = b.customer_id and (a.valid_from, a.known_from) < (b.valid_from, b.known_from) "
    "and (a.valid_to is null or b.valid_from < a.valid_to) and (b.valid_to is null or a.valid_from < b.valid_to) "
    "and (a.known_to is null or b.known_from < a.known_to) and (b.known_to is null or a.known_from < b.known_to)",
}


def _counts(trino: Any, truth: Mapping[str, Any]) -> Iterator[Check]:
    """Changes of each kind in the pieces of the log that workloads were alone in."""
    for number, piece in enumerate(truth.get("pieces", ()), 1):
        rows = query(
            trino,
            f"select table_name, operation, count(*) from {_LOG} where operation <> 'r' "
            f"and lsn between {int(piece['first_lsn'])} and {int(piece['last_lsn'])} group by 1, 2",
        )
        found = {f"{table}.{operation}": count for table, operation, count in rows}
        yield Check(
            f"changes of workload {number}", json.dumps(piece["changes"]), json.dumps(dict(sorted(found.items())))
        )


def _services(lab: Lab) -> Iterator[Check]:
    state, slot = connector.state_of(lab, SHOP), slots.slot_of(lab, SHOP)
    yield Check("the connector runs", "RUNNING", "RUNNING" if state.is_running else f"{state}")
    yield Check("the slot is kept", "reserved", slot.status if slot else "none")
    waiting = letters(lab, [table.topic for table in SHOP.tables])
    yield Check("records that could not be read", "0", str(len(waiting)))


def _wait(lab: Lab, _options: argparse.Namespace) -> dict[str, Any]:
    return {"seconds": round(wait_until_captured(lab, SHOP), 3)}


def _verify(lab: Lab, options: argparse.Namespace) -> dict[str, Any]:
    given, log = json.loads(options.truth) if options.truth else {}, _log_id(lab)
    truth = {"pieces": [piece for piece in given.get("pieces", ()) if piece.get("log", log) == log]}
    return {"checks": [check.as_json() for check in checks(lab, truth)]}


def _prepare(lab: Lab, _options: argparse.Namespace) -> dict[str, Any]:
    if "lakehouse" not in lab.profiles:
        raise LabError("the lab has no Spark and no Trino", remedy="Run: make install PROFILES=lakehouse,streaming")
    return {**prepare(lab), "log": _log_id(lab)}


def _log_id(lab: Lab) -> str:
    """Identity of the change log: one that was made anew has not what workloads counted before."""
    from deltalake import DeltaTable

    return str(DeltaTable(delta_path(lab, SHOP_CHANGES)).metadata().id)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="quintet.lakehouse.shop.proof", description="Prove the capture.")
    verbs = {"prepare": _prepare, "wait": _wait, "verify": _verify}
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("--truth", default="", help="JSON: {pieces: [{first_lsn, last_lsn, changes}]}")
    options = parser.parse_args(arguments)
    return tell(lambda: verbs[options.verb](load_lab(), options))


if __name__ == "__main__":
    sys.exit(main())
