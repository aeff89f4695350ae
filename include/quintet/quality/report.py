"""The outcome of a gate as one JSON document, for pages and programs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from quintet.quality.decision import Decision, GroupCount
from quintet.quality.model import RuleResult, Suite

__all__ = ["Report", "write"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything a gate found and decided; `disagreements` are rules that a second engine judged otherwise."""

    run_id: str
    at: datetime
    suite: Suite
    results: Sequence[RuleResult]
    groups: Sequence[GroupCount]
    decision: Decision
    disagreements: Sequence[str] = ()

    def document(self) -> dict[str, Any]:
        """Plain values: run, decision, rules with their reasons, groups."""
        why = {rule.name: rule.why for rule in self.suite.rules}
        return {
            "run_id": self.run_id,
            "at": self.at.isoformat(),
            "suite": self.suite.name,
            "published": self.decision.publishes,
            "blocks": [asdict(block) for block in self.decision.blocks],
            "rules": [{**asdict(result), "why": why[result.rule]} for result in self.results],
            "groups": [asdict(group) for group in self.groups],
            "disagreements": list(self.disagreements),
        }


def write(report: Report, path: Path) -> None:
    """Write the document; readers see the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(report.document(), indent=1, ensure_ascii=False), encoding="utf-8")
    part.replace(path)
