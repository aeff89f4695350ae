"""What a gate run leaves behind: report, results table, alert, and the text of a refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from quintet import alerts
from quintet.alerts import Alert
from quintet.catalogue.lakehouse import GATE_RESULTS, SLUG
from quintet.errors import GateError, LabError
from quintet.lake.tables import arrow_schema, delta_path
from quintet.lakehouse.rules import SUITE
from quintet.quality import report
from quintet.quality.decision import Block, Decision, GroupCount
from quintet.quality.model import RuleResult, Severity
from quintet.quality.names import file_name
from quintet.settings import Lab

__all__ = ["BLOCKS_SHOWN", "Outcome", "data_docs", "enforce", "passed_bronze_version", "record"]

#: Name of the row in `gate_results` that holds the decision.
DECISION = "decision"
#: Blocks that an alert spells out.
BLOCKS_SHOWN = 10

_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run found and decided.

    `lines`: for a poison file (hash) and a rule, the number of broken rows and their first lines. `disagreements`:
    rules that Great Expectations judged otherwise.
    """

    run_id: str
    at: datetime
    bronze_version: int
    results: Sequence[RuleResult] = ()
    files: Sequence[GroupCount] = ()
    decision: Decision = field(default_factory=Decision)
    lines: Mapping[tuple[str, str], tuple[int, Sequence[int]]] = field(default_factory=dict)
    disagreements: Sequence[str] = ()

    @property
    def rows(self) -> int:
        """Rows judged."""
        return sum(file.rows for file in self.files)

    @property
    def held(self) -> int:
        """Rows for the quarantine."""
        return sum(file.held for file in self.files)

    @property
    def warnings(self) -> list[str]:
        """Rules that are broken and stop nothing."""
        return [item.rule for item in self.results if not item.passed and item.severity is Severity.WARNING]


def data_docs(lab: Lab) -> Path:
    """Folder of the pages."""
    return lab.path("docs") / "data_docs"


def record(lab: Lab, outcome: Outcome) -> None:
    """Write the report, then the outcome of every rule and the decision; an earlier try of the run is replaced."""
    document = report.Report(
        run_id=outcome.run_id,
        at=outcome.at,
        suite=SUITE,
        results=outcome.results,
        groups=outcome.files,
        decision=outcome.decision,
        disagreements=outcome.disagreements,
    )
    for name in (file_name(outcome.run_id), "latest"):
        report.write(document, lab.path("docs") / "gate" / f"{name}.json")
    _replace_results(lab, outcome)


def enforce(lab: Lab, outcome: Outcome) -> None:
    """Write the alert that the outcome asks for. Raises GateError when nothing may be published."""
    if outcome.decision.publishes:
        if outcome.held:
            _alert(lab, outcome, "warning", *_quarantine_text(outcome))
        return
    title, detail, remedy = _refusal_text(lab, outcome)
    _alert(lab, outcome, "critical", title, detail, remedy)
    raise GateError(f"{title}; nothing was published\n{detail}\n", remedy=remedy)


def passed_bronze_version(lab: Lab, run_id: str) -> int:
    """Version of the bronze lines that the gate of this run let through.

    Raises:
        GateError: the gate of this run has not run, or has refused.

    """
    predicate = f"run_id = '{_quoted(run_id)}' AND rule = '{DECISION}'"
    found = pa.table(DeltaTable(delta_path(lab, GATE_RESULTS)).scan(predicate=predicate)).to_pylist()
    if not found:
        raise GateError(f"no gate has judged for the run {run_id}", remedy="Run the gate first, with the same run id")
    if not found[0]["passed"]:
        raise GateError(f"the gate refused the run {run_id}", remedy="Do what its alert says and start another run")
    return int(json.loads(found[0]["observed"])["bronze_version"])


def _replace_results(lab: Lab, outcome: Outcome) -> None:
    rows = [_row(outcome, item) for item in (*outcome.results, _decision(outcome))]
    schema = arrow_schema(GATE_RESULTS)
    columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    content = pa.Table.from_arrays(columns, schema=schema)
    own = f"run_id = '{_quoted(outcome.run_id)}'"
    for _ in range(_ATTEMPTS):
        try:
            write_deltalake(delta_path(lab, GATE_RESULTS), content, mode="overwrite", predicate=own)
        except CommitFailedError:
            continue  # the table was compacted meanwhile
        return
    raise LabError(f"the table {GATE_RESULTS.full_name} is written by others without end", remedy="Run again")


def _row(outcome: Outcome, item: RuleResult) -> tuple[object, ...]:
    return (
        outcome.run_id,
        outcome.at,
        item.rule,
        item.kind,
        str(item.severity),
        item.worst,
        item.checked,
        item.failed,
        item.observed,
        item.passed,
    )


def _decision(outcome: Outcome) -> RuleResult:
    decision = outcome.decision
    observed = {
        "bronze_version": outcome.bronze_version,
        "files": len(outcome.files),
        "blocks": [block.text for block in decision.blocks[:BLOCKS_SHOWN]],
    }
    return RuleResult(
        rule=DECISION,
        kind=DECISION,
        severity=Severity.CRITICAL,
        checked=outcome.rows,
        failed=outcome.held,
        passed=decision.publishes,
        observed=json.dumps(observed, ensure_ascii=False),
        worst=next((block.group for block in decision.blocks if block.key), None),
    )


def _alert(
    lab: Lab, outcome: Outcome, severity: Literal["critical", "warning"], title: str, detail: str, remedy: str
) -> None:
    alerts.write(
        lab,
        Alert(
            severity=severity,
            source="gate",
            project=SLUG,
            run_id=outcome.run_id,
            title=title,
            detail=detail,
            remedy=remedy,
            at=outcome.at,
        ),
    )


def _quarantine_text(outcome: Outcome) -> tuple[str, str, str]:
    files = sum(1 for file in outcome.files if file.held)
    broken = [f"{item.rule}: {item.failed}" for item in outcome.results if item.failed and item.rule in SUITE.holding]
    title = f"{outcome.held} rows of {files} {'file' if files == 1 else 'files'} went to quarantine, the others pass"
    return title, "; ".join(broken), f"Look at them: quintet quarantine list {SLUG}"


def _refusal_text(lab: Lab, outcome: Outcome) -> tuple[str, str, str]:
    blocks = outcome.decision.blocks
    poison = [block for block in blocks if block.key]
    title = f"the gate refused {', '.join(str(block.group) for block in poison[:3]) or 'a batch'}"
    if len(poison) > 3:
        title += f" and {len(poison) - 3} more"
    shown = [line for block in blocks[:BLOCKS_SHOWN] for line in _block_text(block, outcome)]
    if len(blocks) > BLOCKS_SHOWN:
        shown.append(f"- and {len(blocks) - BLOCKS_SHOWN} more")
    return f"{title} (of {len(outcome.files)} files)", "\n".join(shown), _remedy(lab, blocks)


def _remedy(lab: Lab, blocks: Sequence[Block]) -> str:
    known = {rule.name: rule.remedy for rule in SUITE.rules}
    steps = [known[block.rule] for block in blocks if block.rule]
    poison = next((block for block in blocks if block.key), None)
    if poison:
        steps.insert(
            0,
            f"Send {poison.group} corrected under the same name and run again, or accept its rows: "
            f"quintet quarantine replay {SLUG} --file {poison.group}",
        )
    steps.append(f"Every rule: {data_docs(lab) / 'index.html'}")
    return ". ".join(dict.fromkeys(step for step in steps if step))


def _block_text(block: Block, outcome: Outcome) -> list[str]:
    texts = [f"- {block.text}"]
    for rule in SUITE.holding:
        rows, lines = outcome.lines.get((block.key or "", rule), (0, ()))
        if rows:
            places = ", ".join(str(line) for line in lines)
            texts.append(f"    {rule}: {rows} rows, first on {'lines' if len(lines) > 1 else 'line'} {places}")
    return texts


def _quoted(text: str) -> str:
    return text.replace("'", "''")
