"""The same rules as Great Expectations suites, and its pages (Data Docs).

Row rules and uniqueness become expectations over the batch's Spark data frame, so that a second engine judges the same
rows; group rules become expectations over a small frame with a line for each group. The library never raises on a
broken expectation, and knows no quarantine: the decision is `quintet.quality.decision`'s alone.

Importing the library takes seconds of CPU: `start_import` does it beside a Spark query.
"""

from __future__ import annotations

import importlib
import os
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from quintet.quality.evaluate import GroupFigures
from quintet.quality.frames import Referential, Unique
from quintet.quality.model import FrameRule, GroupRule, RowRule, Rule, RuleResult, Severity, Suite
from quintet.quality.names import file_name
from quintet.quality.pages import take_offline
from quintet.quality.rows import Castable, InSet, Length, Matches, NotNull, Range

__all__ = ["KEPT_RUNS", "Opinion", "publish", "start_import"]

#: Runs whose pages are kept.
KEPT_RUNS = 50
#: Values shown of what broke an expectation.
_SHOWN = 5
_SITE = "data_docs"
_KEEPS = "keeps_"
_SEVERITIES = {Severity.CRITICAL: "critical", Severity.ERROR: "warning", Severity.WARNING: "info"}


@dataclass(frozen=True)
class Opinion:
    """What Great Expectations found for one rule; `failed` is None where it could not judge."""

    rule: str
    failed: int | None
    passed: bool


def start_import() -> threading.Thread:
    """Import the library in the background; `publish` waits for it by importing it too."""
    # Nothing of the lab is sent anywhere; it is read when the library is imported.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    thread = threading.Thread(target=importlib.import_module, args=("great_expectations.expectations",), daemon=True)
    thread.start()
    return thread


def publish(
    frame: DataFrame,
    suite: Suite,
    results: Sequence[RuleResult],
    batch: Sequence[GroupFigures],
    *,
    references: Mapping[str, DataFrame],
    site: Path,
    store: Path,
    run_id: str,
    at: datetime,
) -> list[Opinion]:
    """Run the suite over the batch and publish the pages; what Great Expectations found for each row and frame rule.

    Args:
        frame: rows of the batch with the columns that the rules name.
        suite: the rules.
        results: own judgement, from which the lines of the group frame are made.
        batch: the groups with their figures.
        references: frames that referential rules look into.
        site: folder of the pages.
        store: folder that keeps the results of earlier runs, from which their pages are listed.
        run_id: name of the run in the pages.
        at: time of the run.

    """
    start_import().join()
    import great_expectations as gx

    context = _context(site, store)
    run = gx.RunIdentifier(run_name=file_name(run_id), run_time=at)
    for name, reference in references.items():
        reference.createOrReplaceTempView(name)
    rules: tuple[RowRule | FrameRule, ...] = (*suite.rows, *suite.frames)
    judged = [rule for rule in rules if not _is_unjudged(rule, results)]
    rows = context.data_sources.add_spark(name="batch", persist=False).add_dataframe_asset(name=suite.name)
    shown = _SHOWN if any(result.failed for result in results) else 0
    seen = frame.withColumns(_answers(rule for rule in suite.rows if not _is_native(rule)))
    opinions = _run(context, rows, f"{suite.name}_rows", [_of_rule(rule) for rule in judged], seen, run, shown=shown)
    groups = context.data_sources.add_pandas(name="groups").add_dataframe_asset(name=f"{suite.name}_groups")
    _run(context, groups, f"{suite.name}_groups", _of_groups(suite.groups), _group_frame(suite, results, batch), run)
    _forget(site, store)
    take_offline(site)
    return opinions


def _context(site: Path, store: Path) -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    for folder in (site, store):
        folder.mkdir(parents=True, exist_ok=True)
    config = DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults(), analytics_enabled=False)
    config.stores["validation_results_store"] = {
        "class_name": "ValidationResultsStore",
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(store)},
    }
    config.data_docs_sites = {
        _SITE: {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
    }
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = {"globally": False}
    return context


def _run(
    context: Any, asset: Any, name: str, expectations: Iterable[Any], frame: Any, run: Any, *, shown: int = _SHOWN
) -> list[Opinion]:
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction

    definition = gx.ValidationDefinition(
        name=name,
        data=asset.add_batch_definition_whole_dataframe(name),
        suite=context.suites.add(gx.ExpectationSuite(name=name, expectations=list(expectations))),
    )
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[context.validation_definitions.add(definition)],
        actions=[UpdateDataDocsAction(name="pages", site_names=[_SITE])],
        # Spark answers a query limited to no rows without a job; with nothing broken there are no values to show.
        result_format={"result_format": "BASIC", "partial_unexpected_count": shown},
    )
    found = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame}, run_id=run)
    return [_opinion(result) for results in found.run_results.values() for result in results.results]


def _opinion(result: Any) -> Opinion:
    config = result.expectation_config
    if result.exception_info and _raised(result.exception_info):
        return Opinion(config.meta["rule"], None, passed=False)
    details = result.result
    failed = details.get("unexpected_count", details.get("observed_value"))
    return Opinion(config.meta["rule"], None if failed is None else int(failed), passed=bool(result.success))


def _raised(information: dict[str, Any]) -> bool:
    # One record, or one for each metric that failed.
    entries = [information] if "raised_exception" in information else list(information.values())
    return any(entry.get("raised_exception") for entry in entries)


def _is_native(rule: RowRule) -> bool:
    """Whether the library has an expectation for the rule."""
    if isinstance(rule, Castable):
        return rule.required
    return isinstance(rule, NotNull | InSet | Matches | Range | Length)


def _answers(rules: Iterable[RowRule]) -> dict[str, Column]:
    """A column for each rule over several columns: whether the row keeps it.

    The library would ask a query of its own for each of them, and asks one for all rules over a single column.
    """
    return {_KEEPS + rule.name: ~F.coalesce(F.expr(rule.broken_sql()), F.lit(False)) for rule in rules}


def _is_unjudged(rule: Rule, results: Sequence[RuleResult]) -> bool:
    # A reference that is absent gives the library nothing to look up.
    return isinstance(rule, Referential) and any(result.rule == rule.name and not result.checked for result in results)


def _of_rule(rule: RowRule | FrameRule) -> Any:
    import great_expectations.expectations as gxe

    common = _common(rule)
    share = 1.0 - (rule.threshold.max_share or 0.0)
    match rule:
        case NotNull():
            return gxe.ExpectColumnValuesToNotBeNull(column=rule.column, mostly=share, **common)
        case Castable() if rule.required:
            return gxe.ExpectColumnValuesToNotBeNull(column=rule.typed, mostly=share, **common)
        case InSet():
            return gxe.ExpectColumnValuesToBeInSet(
                column=rule.column, value_set=list(rule.values), mostly=share, **common
            )
        case Matches():
            return gxe.ExpectColumnValuesToMatchRegex(column=rule.column, regex=rule.anchored, mostly=share, **common)
        case Range():
            low, high = _bound(rule.low), _bound(rule.high)
            return gxe.ExpectColumnValuesToBeBetween(
                column=rule.column, min_value=low, max_value=high, mostly=share, **common
            )
        case Length():
            return gxe.ExpectColumnValueLengthsToBeBetween(
                column=rule.column, min_value=rule.shortest, max_value=rule.longest, mostly=share, **common
            )
        case Unique():
            return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(rule.columns), **common)
        case Referential():
            return gxe.UnexpectedRowsExpectation(unexpected_rows_query=_orphans(rule), **common)
        case RowRule():
            query = f"SELECT * FROM {{batch}} WHERE {rule.broken_sql()}"
            return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, **common)
        case _:
            raise TypeError(f"the rule {rule.name} has no expectation")


def _orphans(rule: Referential) -> str:
    """Unknown values when there are more of them than the threshold allows, else nothing: the library knows no share.

    Window functions over the whole batch serve both in one query.
    """
    column, known = f"{{batch}}.{rule.column}", f"{rule.reference}.{rule.reference_column}"
    keys = f"(SELECT DISTINCT {rule.reference_column} FROM {rule.reference}) {rule.reference}"
    looked_up = (
        f"SELECT {column}, {known} IS NULL AS is_unknown, count_if({known} IS NULL) OVER () AS failed, "
        f"count(*) OVER () AS checked FROM {{batch}} LEFT JOIN {keys} ON {column} = {known} WHERE {column} IS NOT NULL"
    )
    allowed = [str(rule.threshold.max_count)] if rule.threshold.max_count is not None else []
    if rule.threshold.max_share is not None:
        allowed.append(f"{rule.threshold.max_share}D * checked")
    beyond = " OR ".join(f"failed > {bound}" for bound in allowed)
    return f"SELECT {rule.column} FROM ({looked_up}) WHERE is_unknown AND ({beyond})"


def _of_groups(rules: Iterable[GroupRule]) -> list[Any]:
    import great_expectations.expectations as gxe

    return [gxe.ExpectColumnValuesToBeInSet(column=rule.name, value_set=["kept"], **_common(rule)) for rule in rules]


def _common(rule: Rule) -> dict[str, Any]:
    return {
        "severity": _SEVERITIES[rule.severity],
        "notes": f"{rule.name}: {rule.why}",
        "meta": {"rule": rule.name, "kind": rule.kind, "severity": str(rule.severity)},
    }


def _group_frame(suite: Suite, results: Sequence[RuleResult], batch: Sequence[GroupFigures]) -> Any:
    import pandas as pd

    broken = {result.rule: set(result.failing) for result in results}
    return pd.DataFrame(
        [
            {
                "name": entry.group.name,
                "day": str(entry.group.day),
                "rows": entry.group.rows,
                "rows_to_quarantine": entry.held,
                **{rule.name: "broken" if entry.group.name in broken[rule.name] else "kept" for rule in suite.groups},
            }
            for entry in batch
        ]
    )


def _bound(bound: float | str | None) -> float | date | None:
    return date.fromisoformat(bound) if isinstance(bound, str) else bound


def _forget(site: Path, store: Path) -> None:
    """Remove results and pages of the oldest runs; the next index leaves them out."""
    for root in (store, site / "validations"):
        # <root>/<suite>/<run>/<time>/<batch>
        for suite in (entry for entry in root.glob("*") if entry.is_dir()):
            runs = sorted(
                (entry for entry in suite.iterdir() if entry.is_dir()), key=lambda entry: entry.stat().st_mtime
            )
            for old in runs[:-KEPT_RUNS]:
                shutil.rmtree(old)
