"""The gate between bronze and silver: judges files, holds rows back, decides, and says why.

The gate records the version of the bronze table that it judged with its decision. Silver publishes from that version
or not at all, so that a file that lands in between waits for the next run.

What it writes, in this order, each step repeatable: older file versions marked superseded in quarantine; broken rows
into quarantine; the pages; report and results; the alert. It never touches a published table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from quintet.catalogue.lakehouse import CUSTOMER_CHANGES_RAW, INVOICE_LINES_RAW, QUARANTINE
from quintet.lake.ledger import Entry
from quintet.lake.spark import read
from quintet.lakehouse.gateoutcome import BLOCKS_SHOWN, Outcome, data_docs, enforce, record
from quintet.lakehouse.gateplan import Plan, Selection, make_plan
from quintet.lakehouse.held import KEY, OPEN, REPLAYED, files_with
from quintet.lakehouse.holding import hold, supersede
from quintet.lakehouse.normalise import customer_number, normalise
from quintet.lakehouse.rules import CUSTOMER_FEED, LEDGER_RECORDS, LIMITS, SUITE
from quintet.quality import expectations
from quintet.quality.decision import Decision, decide
from quintet.quality.evaluate import REASONS, GroupFigures, group_figures, is_held, judge, with_reasons
from quintet.quality.model import Group, RuleResult
from quintet.settings import Lab

__all__ = ["run_gate"]

#: Lines named for each rule of a poison file.
_LINES_SHOWN = 5

_IN_BATCH = "_in_batch"
_IS_ACCEPTED = "_is_accepted"
#: What the rules look at. It is kept in memory while the gate works; other raw text is fetched for broken rows alone.
_JUDGED = (
    *KEY,
    "_source_file",
    "_file_date",
    "raw_customer_id",
    "invoice_id",
    "product_id",
    "country",
    "description",
    "customer_id",
    "is_guest",
    "quantity",
    "unit_price_gbp",
    "invoiced_at",
    "trade_date",
    "line_type",
)


def run_gate(
    lab: Lab, start: Callable[[], SparkSession], *, run_id: str, selection: Selection, now: datetime | None = None
) -> dict[str, Any]:
    """Judge what is selected; counts of the outcome.

    `start` gives the Spark session and is called only when there is something to judge. Returns {"run_id",
    "bronze_version", "files", "rows", "quarantined", "superseded", "warnings": [rule], "disagreements": [rule],
    "pages"}.

    Raises:
        GateError: nothing may be published; it names file, rule, rows and what to do. Quarantine, results, pages and
            alert are written by then.

    """
    at = now or datetime.now(UTC)
    plan = make_plan(lab, selection)
    outdated = sorted({entry.file_hash for entry in plan.superseded} & files_with(lab, OPEN, REPLAYED))
    outcome = Outcome(run_id=run_id, at=at, bronze_version=plan.bronze_version)
    if plan.batch:
        expectations.start_import()
    if outdated:
        supersede(start(), lab, outdated)
    if plan.batch:
        outcome = _judge(start(), lab, plan, outcome)
    record(lab, outcome)
    enforce(lab, outcome)
    return {
        "run_id": run_id,
        "bronze_version": outcome.bronze_version,
        "files": len(outcome.files),
        "rows": outcome.rows,
        "quarantined": outcome.held,
        "superseded": len(outdated),
        "warnings": outcome.warnings,
        "disagreements": list(outcome.disagreements),
        "pages": str(data_docs(lab) / "index.html"),
    }


def _judge(spark: SparkSession, lab: Lab, plan: Plan, outcome: Outcome) -> Outcome:
    judged = _judged_lines(spark, lab, plan).cache()
    try:
        found = group_figures(judged, SUITE, key="_file_hash", name="_source_file", day="_file_date")
        figures = {entry.group.key: entry for entry in found}
        files = [_figures_of(entry, figures) for entry in plan.batch]
        history = [_figures_of(entry, figures).group for entry in plan.history]
        batch = judged.where(F.col(_IN_BATCH))
        references = {CUSTOMER_FEED: _feed_customers(spark, lab)}
        results = judge(batch, SUITE, files, history, references=references, now=outcome.at)
        decision = decide(results, [entry.count for entry in files], LIMITS)
        _hold_back(spark, lab, plan, batch, files, outcome)
        return replace(
            outcome,
            results=results,
            files=[entry.count for entry in files],
            decision=decision,
            lines=_first_lines(batch, decision),
            disagreements=_publish_pages(lab, batch, results, files, references, outcome),
        )
    finally:
        judged.unpersist()


def _judged_lines(spark: SparkSession, lab: Lab, plan: Plan) -> DataFrame:
    """Typed lines of batch and history with the reasons that count against them."""
    wanted = [entry.file_hash for entry in (*plan.batch, *plan.history)]
    bronze = read(spark, lab, INVOICE_LINES_RAW, version=plan.bronze_version).where(F.col("_file_hash").isin(wanted))
    judged = with_reasons(normalise(bronze).select(*_JUDGED), SUITE.rows)
    in_batch = F.col("_file_hash").isin([entry.file_hash for entry in plan.batch])
    return _waived(spark, lab, judged).withColumn(_IN_BATCH, in_batch)


def _waived(spark: SparkSession, lab: Lab, judged: DataFrame) -> DataFrame:
    """Mark the lines that a person accepted, and leave them the reasons that nobody can waive."""
    if not files_with(lab, REPLAYED):
        return judged.withColumn(_IS_ACCEPTED, F.lit(False))
    accepted = (
        read(spark, lab, QUARANTINE).where(F.col("_status") == REPLAYED).select(*KEY, F.lit(True).alias("_found"))
    )
    is_accepted = F.col("_found").isNotNull()
    firm = _among([rule.name for rule in SUITE.rows if not rule.waivable])
    return judged.join(accepted, on=list(KEY), how="left").select(
        *(name for name in judged.columns if name != REASONS),
        F.when(is_accepted, firm).otherwise(F.col(REASONS)).alias(REASONS),
        is_accepted.alias(_IS_ACCEPTED),
    )


def _among(rules: Sequence[str]) -> Column:
    return F.array_intersect(F.col(REASONS), F.array(*(F.lit(name) for name in rules)))


def _figures_of(entry: Entry, figures: Mapping[str, GroupFigures]) -> GroupFigures:
    """Figures of a file, also of one without lines, with what the ledger knows of it."""
    empty = GroupFigures.empty(Group(entry.file_hash, entry.source_file, entry.file_date, 0), SUITE)
    found = figures.get(entry.file_hash, empty)
    return replace(found, group=replace(found.group, expected={LEDGER_RECORDS: entry.records}))


def _feed_customers(spark: SparkSession, lab: Lab) -> DataFrame:
    changes = read(spark, lab, CUSTOMER_CHANGES_RAW)
    return changes.select(customer_number("customer_id").alias("customer_id")).dropna().distinct()


def _hold_back(
    spark: SparkSession, lab: Lab, plan: Plan, batch: DataFrame, files: Sequence[GroupFigures], outcome: Outcome
) -> None:
    """Put the broken rows, as received, into quarantine."""
    holding = [entry.group.key for entry in files if entry.held]
    if not holding:
        return
    reasons = F.array_join(_among(SUITE.holding), ",").alias(REASONS)
    broken = batch.where(is_held(SUITE)).select(*KEY, reasons)
    bronze = read(spark, lab, INVOICE_LINES_RAW, version=plan.bronze_version).where(F.col("_file_hash").isin(holding))
    received = bronze.join(broken, on=list(KEY), how="inner")
    hold(spark, lab, received, run_id=outcome.run_id, at=outcome.at)


def _first_lines(batch: DataFrame, decision: Decision) -> dict[tuple[str, str], tuple[int, Sequence[int]]]:
    """For each poison file (hash) and rule: number of rows and the first lines."""
    poison = [block.key for block in decision.blocks if block.key][:BLOCKS_SHOWN]
    if not poison:
        return {}
    by_rule = ("_file_hash", "rule")
    broken = (
        batch.where(F.col("_file_hash").isin(poison))
        .select(*KEY, F.explode(_among(SUITE.holding)).alias("rule"))
        .withColumn("place", F.row_number().over(Window.partitionBy(*by_rule).orderBy("_line_number")))
    )
    first = F.sort_array(F.collect_list(F.when(F.col("place") <= _LINES_SHOWN, F.col("_line_number"))))
    found = broken.groupBy(*by_rule).agg(F.count("*").alias("rows"), first.alias("lines")).collect()
    return {(row["_file_hash"], row["rule"]): (row["rows"], row["lines"]) for row in found}


def _publish_pages(
    lab: Lab,
    batch: DataFrame,
    results: Sequence[RuleResult],
    files: Sequence[GroupFigures],
    references: Mapping[str, DataFrame],
    outcome: Outcome,
) -> list[str]:
    """Rules that Great Expectations judged otherwise: a fault in a rule's translation."""
    # It knows nothing of people's decisions: accepted lines are left out.
    opinions = expectations.publish(
        batch.where(~F.col(_IS_ACCEPTED)),
        SUITE,
        results,
        files,
        references=references,
        site=data_docs(lab),
        store=lab.path("data") / "quality" / "validations",
        run_id=outcome.run_id,
        at=outcome.at,
    )
    own = {result.rule: result.passed for result in results}
    return [opinion.rule for opinion in opinions if opinion.passed != own[opinion.rule]]
