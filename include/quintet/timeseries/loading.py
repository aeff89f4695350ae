"""What the load tasks call: look for files, send them once each, speak of what was refused.

A file is judged before it is sent: when more of its lines than `REFUSED_SHARE` cannot be read, or it cannot be
unpacked, nothing of it is written and the gate fails at the end, after all good files. Fewer broken lines are left out
and reported with their numbers. A file that was sent whole stands in the ledger by the hash of its content; sending it
again, after a kill in the middle, gives the same points.

Arguments and results are plain JSON values, so that a task may run these functions in another interpreter.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from quintet import alerts
from quintet.catalogue.timeseries import SLUG
from quintet.errors import GateError, InputError, LabError
from quintet.settings import Lab, load_lab, read_lab
from quintet.timeseries.inputfiles import content_hash, day_of, files_in, pieces
from quintet.timeseries.labclient import LabClient

__all__ = ["REFUSED_SHARE", "check_input", "forget", "known_files", "raise_refused", "send_files"]

#: A file with a larger share of broken lines is refused as a whole.
REFUSED_SHARE = 0.05
#: Broken lines that a report names for each file; all are counted.
LISTED = 100
#: Files and lines that a message names.
SHOWN = 5


@dataclass
class FileReport:
    """What became of one file: sent, known (sent before) or refused (nothing of it is written)."""

    file: str
    sha256: str = ""
    state: str = "sent"
    lines: int = 0
    points: int = 0
    refused_lines: int = 0
    reason: str = ""
    errors: list[dict[str, Any]] = field(default_factory=list)


def check_input(input_dir: str) -> dict[str, Any]:
    """Look for input: {"input", "files", "bytes"}.

    Raises:
        InputError: the folder is absent, cannot be listed, or holds no file of line protocol.

    """
    found = files_in(Path(input_dir))
    return {"input": input_dir, "files": len(found), "bytes": sum(path.stat().st_size for path in found)}


def send_files(
    input_dir: str,
    run_id: str,
    from_: str | None = None,
    to: str | None = None,
    *,
    again: str | bool = False,
    lab_file: str | None = None,
) -> dict[str, Any]:
    """Send every file that was not sent before, in the order of their names, and write the report of the run.

    With a bound (YYYY-MM-DD, both inclusive) files without a day in their name are left out. `again` sends known
    files too. Returns {"files", "sent", "known", "refused": [names], "points", "refused_lines", "report"}.

    Raises:
        ServiceDownError: the database went away; files sent whole before that are in the ledger.

    """
    lab = _lab(lab_file)
    known = set() if str(again) == "True" else {entry["sha256"] for entry in known_files(lab)}
    reports: list[FileReport] = []
    with LabClient(lab, "writer") as client:
        for path in _within(files_in(Path(input_dir)), _day(from_, "from"), _day(to, "to")):
            report = _send(client, path, known)
            if report.state == "sent":
                known.add(report.sha256)
                _append(lab, report, run_id)
            reports.append(report)
    place = _write_report(lab, run_id, reports)
    sent = [report for report in reports if report.state == "sent"]
    return {
        "files": len(reports),
        "sent": len(sent),
        "known": sum(report.state == "known" for report in reports),
        "refused": [report.file for report in reports if report.state == "refused"],
        "points": sum(report.points for report in sent),
        "refused_lines": sum(report.refused_lines for report in sent),
        "report": str(place),
    }


def raise_refused(run_id: str, *, lab_file: str | None = None) -> dict[str, Any]:
    """Raise when a file of the run was refused; tell of left out lines; else return {"refused_lines"}.

    Raises:
        GateError: names every refused file with the share and the first of its broken lines.

    """
    lab = _lab(lab_file)
    place = _report_path(lab, run_id)
    if not place.exists():
        raise LabError(f"there is no report of the run {run_id}", remedy="Clear the task that sends, then this one")
    reports = [FileReport(**entry) for entry in json.loads(place.read_text(encoding="utf-8"))["files"]]
    refused = [report for report in reports if report.state == "refused"]
    if refused:
        listing = "\n".join(f"  - {report.file}: {report.reason}" for report in refused[:SHOWN])
        raise GateError(
            f"{len(refused)} of {len(reports)} files refused, nothing of them was written:\n{listing}\n",
            remedy=f"Correct them and send them under the same names, then run again. Every broken line: {place}",
        )
    left_out = [report for report in reports if report.state == "sent" and report.refused_lines]
    if left_out:
        _warn(lab, run_id, left_out, place)
    return {"refused_lines": sum(report.refused_lines for report in left_out)}


def known_files(lab: Lab) -> list[dict[str, Any]]:
    """The ledger: one entry for each content that was sent whole, oldest first."""
    try:
        lines = _ledger(lab).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue  # cut short by a kill: that file is sent again
    return entries


def forget(lab: Lab) -> None:
    """Empty the ledger, so that every file is sent again."""
    shutil.rmtree(_ledger(lab).parent, ignore_errors=True)


def _send(client: LabClient, path: Path, known: set[str]) -> FileReport:
    report = FileReport(path.name)
    try:
        report.sha256 = content_hash(path)
        if report.sha256 in known:
            report.state = "known"
            return report
        _judge(path, report)
    except InputError as error:
        report.state, report.reason = "refused", str(error)
    if report.state == "refused":
        return report
    first = 0
    for piece in pieces(path):
        told = client.write(piece)
        if told.get("refused") and not report.refused_lines:
            raise LabError(
                f"{path.name}: the database refused line {first + told['line']}, which was good before: "
                f"{told['message']}",
                remedy="Is it of the release of the DAGs? Run: make install",
            )
        first += piece.count(b"\n")
    return report


def _judge(path: Path, report: FileReport) -> None:
    """Parse the whole file as the service will."""
    # Compiled; of the engine's environment only.
    from quintet.timeseries.lineprotocol import LineParser

    parser = LineParser()
    for piece in pieces(path):
        parsed = parser.parse(piece)
        found = [{"line": report.lines + error.line, "message": error.reason} for error in parsed.errors]
        report.errors += found[: LISTED - len(report.errors)]
        report.refused_lines += len(found)
        report.points += len(parsed.batch)
        report.lines += piece.count(b"\n") + (not piece.endswith(b"\n"))
    if report.refused_lines > REFUSED_SHARE * report.lines:
        report.state = "refused"
        report.reason = f"{report.refused_lines} of {report.lines} lines are broken, {_first(report)}"


def _first(report: FileReport) -> str:
    named = "; ".join(f"line {error['line']}: {error['message']}" for error in report.errors[:SHOWN])
    return f"first: {named}"


def _within(paths: list[Path], first: date | None, last: date | None) -> Iterator[Path]:
    for path in paths:
        day = day_of(path)
        if (first or last) and day is None:
            continue
        if (first and day and day < first) or (last and day and day > last):
            continue
        yield path


def _day(text: str | None, name: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InputError(f"'{name}' is '{text}', no day", remedy="Write it as YYYY-MM-DD") from error


def _ledger(lab: Lab) -> Path:
    return lab.path("data") / "landing" / SLUG / "ledger.jsonl"


def _append(lab: Lab, report: FileReport, run_id: str) -> None:
    path = _ledger(lab)
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": run_id,
        **{name: value for name, value in asdict(report).items() if name not in {"errors", "state", "reason"}},
    }
    with path.open("a+b") as file:
        # A line that a kill has cut short ends here.
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(entry).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _report_path(lab: Lab, run_id: str) -> Path:
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in run_id)
    return lab.path("docs") / SLUG / "loads" / f"{name}.json"


def _write_report(lab: Lab, run_id: str, reports: list[FileReport]) -> Path:
    place = _report_path(lab, run_id)
    place.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "run_id": run_id,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": [asdict(report) for report in reports],
    }
    draft = place.with_suffix(".new")
    draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return draft.replace(place)


def _warn(lab: Lab, run_id: str, reports: list[FileReport], place: Path) -> None:
    count = sum(report.refused_lines for report in reports)
    detail = "\n".join(
        f"{report.file}: {report.refused_lines} of {report.lines}, {_first(report)}" for report in reports
    )
    alerts.warn(
        lab,
        source="gate",
        project=SLUG,
        run_id=run_id,
        title=f"{count} lines in {len(reports)} files were left out",
        detail=detail[:4000],
        remedy=f"Every one with its number: {place}. Ask the sender; a corrected file is loaded as a new one",
    )


def _lab(lab_file: str | None) -> Lab:
    return read_lab(Path(lab_file)) if lab_file else load_lab()
