"""Quality rules for Spark data frames: declared once, judged in few passes, decided on in plain Python.

Three sorts of rules:

- **row rules** (`rows`) judge each row by itself; all of them compile to one expression that gives the names of the
  rules a row breaks;
- **frame rules** (`frames`) need other rows or another frame: uniqueness, references;
- **group rules** (`groups`) judge each group of rows, a file or a day, by a few aggregates, against what is expected
  and against its history. They are plain Python over what one aggregation brought.

Only declaring and deciding work without a Spark session. pandas and Arrow tables are not judged: every gate of the
platform stands where Spark already holds the data.
"""

from quintet.quality.decision import Block, Decision, GroupCount, Limits, decide
from quintet.quality.frames import Referential, Unique
from quintet.quality.groups import (
    CategoryShare,
    Distribution,
    Freshness,
    Group,
    Monotonic,
    NoGap,
    TotalEquals,
    Volume,
)
from quintet.quality.model import RuleResult, Severity, Suite, Threshold
from quintet.quality.rows import Castable, Compare, Conditional, InSet, Length, Matches, NotNull, Range

__all__ = [
    "Block",
    "Castable",
    "CategoryShare",
    "Compare",
    "Conditional",
    "Decision",
    "Distribution",
    "Freshness",
    "Group",
    "GroupCount",
    "InSet",
    "Length",
    "Limits",
    "Matches",
    "Monotonic",
    "NoGap",
    "NotNull",
    "Range",
    "Referential",
    "RuleResult",
    "Severity",
    "Suite",
    "Threshold",
    "TotalEquals",
    "Unique",
    "Volume",
    "decide",
]
