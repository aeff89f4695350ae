"""The gate of the batch layer: judges what has landed since the last publication, holds broken records back, decides.

Records of a kind that arrived on a day are judged together. A few broken ones go to quarantine and the rest is
published; too many, or two purchases of one number, stop everything: what was published stays as it is, an alert says
which kind and day, and what to do. It is done by taking those records back and sending them whole
(`state.withdraw`): what lands afterwards counts.

Each step can be repeated: quarantine is brought to what the log says, the results of a run are replaced.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from quintet import alerts
from quintet.catalogue.ecommerce import SLUG
from quintet.catalogue.ecommercebatch import EVENT_LOG, GATE_RESULTS, QUARANTINE
from quintet.ecommerce.batch.records import FATE, judged, typed
from quintet.ecommerce.batch.rules import FEW, MAX_SHARE, ORDERS_TWICE, SUITE
from quintet.ecommerce.batch.state import landed, published, withdrawals
from quintet.errors import GateError
from quintet.lake.spark import merge_difference, read
from quintet.lake.tables import arrow_schema, delta_path
from quintet.quality.decision import Decision, GroupCount, Limits, decide
from quintet.quality.evaluate import REASONS, is_held
from quintet.quality.model import RuleResult, Severity
from quintet.settings import Lab

__all__ = ["passed_batch", "run_gate"]

#: Name of the row in `gate_results` that holds the decision.
DECISION = "decision"
#: Any number of rows: the share decides alone.
_LIMITS = Limits(max_share=MAX_SHARE, max_rows=2**63 - 1)
#: Orders named in a refusal.
_SHOWN = 5
_QUARANTINED = tuple(column.name for column in QUARANTINE.columns)


@dataclass(frozen=True)
class _Found:
    """What the records say: by kind and day of arrival, by rule, and order numbers that were used twice."""

    rows: Mapping[tuple[str, str], int]
    held: Mapping[tuple[str, str], int]
    broken: Mapping[str, Mapping[tuple[str, str], int]]
    twice: Sequence[int]


def run_gate(
    lab: Lab, start: Callable[..., SparkSession], *, run_id: str, now: datetime | None = None
) -> dict[str, Any]:
    """Judge what has landed and is not published.

    `start` gives the Spark session; it is called only when there is something to judge. Returns {"up_to_batch",
    "records", "broken": {rule: records}, "groups"}.

    Raises:
        GateError: nothing may be published; quarantine, results and alert are written by then.

    """
    at = now or datetime.now(UTC)
    newest, last = landed(lab), published(lab)
    found = _Found({}, {}, {}, ())
    if newest > last.up_to_batch:
        found = _judge(start(), lab, after=last.up_to_batch, up_to=newest)
    groups = [GroupCount(_name(key), _name(key), rows, found.held.get(key, 0)) for key, rows in found.rows.items()]
    results = _results(found)
    decision = decide(results, [group for group in groups if group.held > FEW], _LIMITS)
    _record(lab, run_id, at, results, decision, up_to=newest, rows=sum(found.rows.values()))
    if not decision.publishes:
        _refuse(lab, run_id, at, found, decision)
    return {
        "up_to_batch": newest,
        "records": sum(found.rows.values()),
        "broken": {result.rule: result.failed for result in results if result.failed},
        "groups": len(groups),
    }


def passed_batch(lab: Lab, run_id: str) -> int:
    """Newest landing that the gate of this run let through.

    Raises:
        GateError: the gate of this run has not run, or has refused.

    """
    predicate = f"run_id = '{_quoted(run_id)}' AND rule = '{DECISION}'"
    found = pa.table(DeltaTable(delta_path(lab, GATE_RESULTS)).scan(predicate=predicate)).to_pylist()
    if not found:
        raise GateError(f"no gate has judged for the run {run_id}", remedy="Run the gate first, with the same run id")
    if not found[0]["passed"]:
        raise GateError(f"the gate refused the run {run_id}", remedy="Do what its alert says and start another run")
    return int(json.loads(found[0]["observed"])["up_to_batch"])


def _judge(spark: SparkSession, lab: Lab, *, after: int, up_to: int) -> _Found:
    pending = (F.col("batch") > after) & (F.col("batch") <= up_to)
    log = read(spark, lab, EVENT_LOG).where(pending)
    records = judged(typed(log), withdrawals(lab)).persist()
    try:
        return _quarantined_and_counted(spark, lab, records, pending=pending)
    finally:
        records.unpersist()


def _quarantined_and_counted(spark: SparkSession, lab: Lab, records: DataFrame, *, pending: Any) -> _Found:
    wanted = records.where(is_held(SUITE)).select(
        *(name for name in _QUARANTINED if name not in {"reasons", "status"}),
        F.array_join(REASONS, ",").alias("reasons"),
        F.when(F.col(FATE) == "withdrawn", "withdrawn").otherwise("open").alias("status"),
    )
    merge_difference(lab, QUARANTINE, wanted, read(spark, lab, QUARANTINE).where(pending))
    day = F.to_date("arrived_at").cast("string").alias("day")
    # Broken records are few: they are counted by their reasons, the others as a whole.
    counted = records.where(F.col(FATE) != "withdrawn").groupBy("kind", day, REASONS).count().collect()
    rows: Counter[tuple[str, str]] = Counter()
    held: Counter[tuple[str, str]] = Counter()
    broken: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for kind, arrived, reasons, count in counted:
        rows[kind, arrived] += count
        held[kind, arrived] += count if set(reasons) & set(SUITE.holding) else 0
        for reason in reasons:
            broken[reason][kind, arrived] += count
    orders = records.where((F.col("kind") == "purchase") & (F.col(FATE) == "whole")).groupBy("order_id")
    twice = orders.agg(F.count_distinct("happened_at").alias("times")).where(F.col("times") > 1)
    return _Found(rows, held, broken, sorted(row["order_id"] for row in twice.select("order_id").collect()))


def _results(found: _Found) -> list[RuleResult]:
    results = []
    for rule in SUITE.rows:
        counts = found.broken.get(rule.name, {})
        worst = max(counts, key=lambda key: (counts[key], key), default=None)
        failed = sum(counts.values())
        results.append(
            RuleResult(
                rule=rule.name,
                kind=rule.kind,
                severity=rule.severity,
                checked=sum(found.rows.values()),
                failed=failed,
                passed=not failed,
                worst=_name(worst) if worst else None,
            )
        )
    orders = ", ".join(str(order) for order in found.twice[:_SHOWN])
    return [
        *results,
        RuleResult(
            rule=ORDERS_TWICE,
            kind="unique",
            severity=Severity.CRITICAL,
            checked=sum(count for (kind, _), count in found.rows.items() if kind == "purchase"),
            failed=len(found.twice),
            passed=not found.twice,
            observed=f"orders {orders}" if found.twice else None,
        ),
    ]


def _record(
    lab: Lab,
    run_id: str,
    at: datetime,
    results: Sequence[RuleResult],
    decision: Decision,
    *,
    up_to: int,
    rows: int,
) -> None:
    decided = RuleResult(
        rule=DECISION,
        kind=DECISION,
        severity=Severity.CRITICAL,
        checked=rows,
        failed=len(decision.blocks),
        passed=decision.publishes,
        observed=json.dumps({"up_to_batch": up_to, "blocks": [block.text for block in decision.blocks[:_SHOWN]]}),
        worst=next((block.group for block in decision.blocks), None),
    )
    content = [
        {
            "run_id": run_id,
            "checked_at": at,
            "rule": result.rule,
            "severity": str(result.severity),
            "worst": result.worst,
            "rows_checked": result.checked,
            "rows_failed": result.failed,
            "observed": result.observed,
            "passed": result.passed,
        }
        for result in (*results, decided)
    ]
    table = pa.Table.from_pylist(content, schema=arrow_schema(GATE_RESULTS))
    own = f"run_id = '{_quoted(run_id)}'"
    write_deltalake(delta_path(lab, GATE_RESULTS), table, mode="overwrite", predicate=own)


def _refuse(lab: Lab, run_id: str, at: datetime, found: _Found, decision: Decision) -> None:
    poison = [block.key for block in decision.blocks if block.key]
    title = f"the gate refused {', '.join(poison[:3]) or 'what has landed'}; nothing was published"
    lines = []
    for block in decision.blocks:
        lines.append(f"- {block.text}")
        lines += [
            f"    {rule}: {count} records"
            for rule, counts in found.broken.items()
            for key, count in counts.items()
            if _name(key) == block.key
        ]
    remedy = (
        "Take those records back (the DAG ecommerce_withdraw_events, with kind and day of arrival), have them sent "
        "again whole, and run again"
    )
    alerts.write(
        lab,
        alerts.Alert(
            severity="critical",
            source="gate",
            project=SLUG,
            run_id=run_id,
            title=title,
            detail="\n".join(lines),
            remedy=remedy,
            at=at,
        ),
    )
    raise GateError("\n".join([title, *lines]) + "\n", remedy=remedy)


def _name(key: tuple[str, str]) -> str:
    kind, day = key
    return f"{kind} of {day}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
