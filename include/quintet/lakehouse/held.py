"""The quarantine table without Spark: states, counts, and a person's decision to accept rows.

A row is known by file content and line. The gate writes the table with Spark (`quintet.lakehouse.holding`); accepting
rows is one small update through delta-rs that needs no Spark start. The two take turns safely
(docs/decisions/2026-11-21-quarantine-two-writers.md).

`python -m quintet.lakehouse.held --by NAME (--file NAME [--line N]… | --rule NAME | --all)` accepts rows by hand; the
last line of output is `RESULT {json}`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from quintet.call import tell
from quintet.catalogue.lakehouse import QUARANTINE
from quintet.errors import InputError, LabError
from quintet.lake.tables import delta_path
from quintet.lakehouse.rules import SUITE
from quintet.settings import Lab, lab_of

__all__ = ["KEY", "OPEN", "REPLAYED", "SUPERSEDED", "Choice", "files_with", "main", "quarantined_rows", "replay"]

#: What a row is known by.
KEY = ("_file_hash", "_line_number")

#: States of a row.
OPEN = "open"
REPLAYED = "replayed"
SUPERSEDED = "superseded"

#: Refused rows that a message names.
_SHOWN = 10
_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Open rows that a person means: of a file, of these lines of it, that broke a rule; nothing set means all."""

    file: str | None = None
    lines: tuple[int, ...] = ()
    rule: str | None = None

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of the quarantine is meant."""
        return (
            self.file in (None, row["_source_file"])
            and (not self.lines or row["_line_number"] in self.lines)
            and (self.rule is None or self.rule in row["_reasons"].split(","))
        )

    def __str__(self) -> str:
        lines = f"lines {', '.join(map(str, self.lines))}" if self.lines else ""
        parts = (self.file or "", lines, f"rule {self.rule}" if self.rule else "")
        return ", ".join(part for part in parts if part) or "all files"


def files_with(lab: Lab, *states: str) -> set[str]:
    """Hashes of the files that have rows in one of the states."""
    return set(_files(lab, states))


def quarantined_rows(lab: Lab) -> dict[str, int]:
    """Number of open rows of each file that has some, by file hash."""
    return dict(Counter(_files(lab, (OPEN,))))


def replay(lab: Lab, choice: Choice, *, by: str) -> dict[str, Any]:
    """Accept open rows as they are; the next run publishes them.

    Rows that lack what the published table requires stay open and are listed. Returns {"replayed": rows, "files":
    [name], "refused": [{"file", "line", "reasons"}]}.

    Raises:
        InputError: no open row is meant, or none of them can be published; nothing was changed.

    """
    if not by.strip():
        raise InputError("a decision needs a name", remedy="Say who decides: --by NAME")
    for _ in range(_ATTEMPTS):
        table = DeltaTable(delta_path(lab, QUARANTINE))
        meant = [row for row in _open_rows(table) if choice.takes(row)]
        refused = [row for row in meant if SUITE.unwaivable(row["_reasons"].split(","))]
        accepted = [row for row in meant if row not in refused]
        _check(choice, accepted, refused)
        try:
            _accept(table, accepted, by.strip())
        except CommitFailedError:
            continue  # a gate or the compaction wrote meanwhile: look again
        return {
            "replayed": len(accepted),
            "files": sorted({row["_source_file"] for row in accepted}),
            "refused": [_shown(row) for row in refused],
        }
    raise LabError(f"the table {QUARANTINE.full_name} is written by others without end", remedy="Try again")


def main(arguments: Sequence[str] | None = None) -> int:
    """Accept rows by hand; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="quintet.lakehouse.held", description="Accept rows of the quarantine.")
    parser.add_argument("--lab", type=Path, help="lab file (default: that of this machine)")
    parser.add_argument("--by", required=True, help="who decides")
    parser.add_argument("--file", help="file name")
    parser.add_argument("--line", dest="lines", type=int, action="append", default=[], help="line of that file")
    parser.add_argument("--rule", help="rule that the rows broke")
    parser.add_argument("--all", action="store_true", help="every open row")
    options = parser.parse_args(arguments)
    if options.lines and not options.file:
        parser.error("--line needs --file")
    if not (options.file or options.rule or options.all):
        parser.error("say which rows: --file, --rule or --all")

    def work() -> dict[str, Any]:
        lab = lab_of(options.lab)
        choice = Choice(file=options.file, lines=tuple(options.lines), rule=options.rule)
        return replay(lab, choice, by=options.by)

    return tell(work)


def _files(lab: Lab, states: Sequence[str]) -> list[str]:
    wanted = ", ".join(f"'{state}'" for state in states)
    scan = DeltaTable(delta_path(lab, QUARANTINE)).scan(columns=["_file_hash"], predicate=f"_status IN ({wanted})")
    found: list[str] = pa.table(scan)["_file_hash"].to_pylist()
    return found


def _open_rows(table: DeltaTable) -> list[dict[str, Any]]:
    scan = table.scan(columns=[*KEY, "_source_file", "_reasons"], predicate=f"_status = '{OPEN}'")
    rows: list[dict[str, Any]] = pa.table(scan).to_pylist()
    return sorted(rows, key=lambda row: (row["_source_file"], row["_line_number"]))


def _check(choice: Choice, accepted: Sequence[Mapping[str, Any]], refused: Sequence[Mapping[str, Any]]) -> None:
    if accepted:
        return
    if not refused:
        raise InputError(
            f"no open row in quarantine is meant by: {choice}", remedy="List them: quintet quarantine list lakehouse"
        )
    listing = "\n".join(
        f"  - {row['_source_file']}, line {row['_line_number']}: {row['_reasons']}" for row in refused[:_SHOWN]
    )
    more = f"\n  - and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    raise InputError(
        f"none of the {len(refused)} rows can be accepted, each lacks a value that the published table needs:\n"
        f"{listing}{more}\n",
        remedy="Send the file corrected under the same name and run again",
    )


def _accept(table: DeltaTable, rows: Sequence[Mapping[str, Any]], by: str) -> None:
    keys = pa.table(
        {
            "_file_hash": pa.array([row["_file_hash"] for row in rows], pa.string()),
            "_line_number": pa.array([row["_line_number"] for row in rows], pa.int64()),
            "_decided_by": pa.array([by] * len(rows), pa.string()),
        }
    )
    same_row = " AND ".join(f"held.{name} = chosen.{name}" for name in KEY)
    merge = table.merge(keys, f"{same_row} AND held._status = '{OPEN}'", "chosen", "held")
    merge.when_matched_update({"_status": f"'{REPLAYED}'", "_decided_by": "chosen._decided_by"}).execute()


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"file": row["_source_file"], "line": row["_line_number"], "reasons": row["_reasons"].split(",")}


if __name__ == "__main__":
    sys.exit(main())
