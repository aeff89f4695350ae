"""The quarantine for people: list files, show rows, and the command that accepts rows.

Listing and showing ask Trino, so that they run wherever the `quintet` command does. Accepting rows writes the table:
it is a program of the lab's Spark environment (`quintet.lakehouse.held`) that starts no Spark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from quintet.catalogue.lakehouse import QUARANTINE
from quintet.lake.trino import connect, query
from quintet.settings import Lab

__all__ = ["HeldFile", "HeldRow", "list_files", "replay_command", "show_rows"]

_RECEIVED = tuple(column.name for column in QUARANTINE.columns if not column.name.startswith("_"))
_TOLD = (
    "_source_file",
    "_file_version",
    "_line_number",
    "_file_date",
    "_status",
    "_reasons",
    "_run_id",
    "_detected_at",
    "_decided_by",
)


@dataclass(frozen=True)
class HeldFile:
    """A file version with rows in quarantine in one state; `rules`: how many rows broke each, most first."""

    file: str
    version: int
    status: str
    rows: int
    rules: dict[str, int]
    first_line: int
    detected_at: datetime


@dataclass(frozen=True)
class HeldRow:
    """A row as received, with the rules that it broke."""

    file: str
    version: int
    line: int
    file_date: date | None
    status: str
    reasons: tuple[str, ...]
    run_id: str
    detected_at: datetime
    decided_by: str | None
    received: dict[str, str | None]


def list_files(lab: Lab, *, status: str | None = None) -> list[HeldFile]:
    """Files with rows in quarantine, those with most rows first; of one state (open, replayed, superseded) or of all.

    Raises:
        ServiceDownError: Trino does not answer.

    """
    where, given = _where({"_status": status})
    columns = "_source_file, _file_version, _status, _reasons, count(*), min(_line_number), min(_detected_at)"
    statement = f"SELECT {columns} FROM {QUARANTINE.full_name}{where} GROUP BY 1, 2, 3, 4"
    return _files(_ask(lab, statement, given))


def show_rows(
    lab: Lab, *, file: str | None = None, rule: str | None = None, status: str | None = None, limit: int
) -> list[HeldRow]:
    """Rows in quarantine by file and line: of a file, that broke a rule, in a state.

    Raises:
        ServiceDownError: Trino does not answer.

    """
    where, given = _where({"_source_file": file, "_status": status, "contains(split(_reasons, ','), ?)": rule})
    columns = ", ".join((*_TOLD, *_RECEIVED))
    order = f"ORDER BY _source_file, _file_version, _line_number LIMIT {int(limit)}"
    statement = f"SELECT {columns} FROM {QUARANTINE.full_name}{where} {order}"
    return [_row(row) for row in _ask(lab, statement, given)]


def replay_command(
    lab: Lab, *, by: str, file: str | None = None, lines: Sequence[int] = (), rule: str | None = None
) -> list[str]:
    """Command that accepts the open rows that are meant; without file and rule it means all.

    To be run as the lab's user. Its last line of output is `RESULT {"replayed", "files", "refused"}`; it ends with 4,
    and changes nothing, when no row is meant or none can be accepted.
    """
    command = [str(lab.environment("spark").python), "-m", "quintet.lakehouse.held", "--lab", str(lab.file), "--by", by]
    if file:
        command += ["--file", file]
    for line in lines:
        command += ["--line", str(line)]
    if rule:
        command += ["--rule", rule]
    return command if file or rule else [*command, "--all"]


def _ask(lab: Lab, statement: str, given: Sequence[str]) -> list[list[Any]]:
    connection = connect(lab)
    try:
        return query(connection, statement, given)
    finally:
        connection.close()


def _where(wanted: Mapping[str, str | None]) -> tuple[str, list[str]]:
    """WHERE clause over the conditions that are set, and its values."""
    given = {name: value for name, value in wanted.items() if value is not None}
    conditions = [name if "?" in name else f"{name} = ?" for name in given]
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), list(given.values())


def _files(rows: Sequence[Sequence[Any]]) -> list[HeldFile]:
    groups: dict[tuple[str, int, str], list[Sequence[Any]]] = {}
    for file, version, status, *figures in rows:
        groups.setdefault((file, version, status), []).append(figures)
    found = [_file(key, figures) for key, figures in groups.items()]
    return sorted(found, key=lambda held: (-held.rows, held.file, held.version, held.status))


def _file(key: tuple[str, int, str], figures: Sequence[Sequence[Any]]) -> HeldFile:
    """Add up what is known for each combination of broken rules."""
    rules: Counter[str] = Counter()
    for reasons, number, _, _ in figures:
        rules.update(dict.fromkeys(reasons.split(","), number))
    _, numbers, first_lines, times = zip(*figures, strict=True)
    return HeldFile(
        *key,
        rows=sum(numbers),
        rules=dict(rules.most_common()),
        first_line=min(first_lines),
        detected_at=min(times),
    )


def _row(values: Sequence[Any]) -> HeldRow:
    told = dict(zip(_TOLD, values, strict=False))
    return HeldRow(
        file=told["_source_file"],
        version=told["_file_version"],
        line=told["_line_number"],
        file_date=told["_file_date"],
        status=told["_status"],
        reasons=tuple(told["_reasons"].split(",")),
        run_id=told["_run_id"],
        detected_at=told["_detected_at"],
        decided_by=told["_decided_by"],
        received=dict(zip(_RECEIVED, values[len(_TOLD) :], strict=True)),
    )
