"""What the ingest tasks call: check the input, list what is pending, land it, raise what was refused.

Arguments and results are plain JSON values, so that a task may run these functions in another interpreter. All of
them may be repeated at any time; `lab_file` names another lab than this machine's.

By hand: `python -m quintet.lakehouse.land --input DIR [--lab FILE]`.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from quintet import alerts
from quintet.catalogue.lakehouse import SLUG
from quintet.errors import InputError, QuintetError
from quintet.lake import ledger
from quintet.lake.errors import FileRefusedError
from quintet.lake.landing import Feed, Landing, file_date, land, size_of
from quintet.lake.rawfile import content_hash
from quintet.lake.tables import delta_path
from quintet.lakehouse.feeds import FEEDS, feed, files_of
from quintet.settings import Lab, lab_of

__all__ = ["check_input", "land_chunk", "list_pending", "main", "raise_refused"]

#: Bytes of pending files from which on they are landed by several tasks, and how many at most.
PARALLEL_BYTES = 64 * 1024 * 1024
PARALLEL_CHUNKS = 4


def check_input(input_dir: str) -> dict[str, Any]:
    """Look for input: {"input", "files", "bytes", "feeds": {feed: files}}.

    Raises:
        InputError: the folder is absent, is no folder, cannot be listed, or holds no CSV file.

    """
    folder = Path(input_dir)
    found = _found(folder)
    if not any(found.values()):
        raise InputError(
            f"the input folder {folder} holds no *.csv or *.csv.gz files",
            remedy="Put the daily files into it or into its by_day/, or make some: quintet generate lakehouse",
        )
    every = [path for paths in found.values() for path in paths]
    return {
        "input": str(folder),
        "files": len(every),
        "bytes": sum(size_of(path) for path in every),
        "feeds": {name: len(paths) for name, paths in found.items()},
    }


def list_pending(
    input_dir: str, from_: str | None = None, to: str | None = None, *, lab_file: str | None = None
) -> list[dict[str, Any]]:
    """Files whose content has not landed under their name, in chunks of like size.

    A chunk is {"files": [{"feed", "path"}], "bytes"}.
    With a bound (YYYY-MM-DD, both inclusive) files without a day in their name are left out. One chunk below
    `PARALLEL_BYTES`, else up to `PARALLEL_CHUNKS`; none when nothing is pending. A file that stands there again as an
    earlier version, while a later one is in force, is not pending: a warning says so.
    """
    lab = lab_of(lab_file)
    bounds = _day(from_, "from"), _day(to, "to")
    pending: list[tuple[str, Path]] = []
    outdated: list[str] = []
    for name, paths in _found(Path(input_dir)).items():
        unknown, old = _looked_at(lab, feed(name), _within(paths, *bounds))
        pending += [(name, path) for path in unknown]
        outdated += old
    if outdated:
        _warn(lab, outdated)
    return _chunks(pending)


def land_chunk(chunk: dict[str, Any], batch_id: str, *, lab_file: str | None = None) -> dict[str, Any]:
    """Land the files of one chunk.

    Returns {"batch_id", "landed", "records", "bytes", "duplicates", "known", "healed", "refused": [{"file", "reason"}],
    "feeds": {feed: records}}. Refused files do not stop the others; `raise_refused` speaks of them at the end.

    Raises:
        LandingError: the lake cannot be written.

    """
    lab = lab_of(lab_file)
    results = {
        known.name: land(lab, known, paths, batch_id=batch_id)
        for known in FEEDS
        if (paths := [Path(entry["path"]) for entry in chunk["files"] if entry["feed"] == known.name])
    }
    total = sum(results.values(), Landing())
    return {
        "batch_id": batch_id,
        "landed": len(total.landed),
        "records": total.records,
        "bytes": sum(entry.bytes or 0 for entry in total.landed),
        "duplicates": len(total.duplicates),
        "known": len(total.known),
        "healed": total.healed,
        "refused": [{"file": entry.source_file, "reason": entry.reason} for entry in total.refused],
        "feeds": {name: result.records for name, result in results.items()},
    }


def raise_refused(batch_id: str, *, lab_file: str | None = None) -> dict[str, Any]:
    """Raise when files of the batch were refused, else return {"batch_id", "refused": 0}.

    Raises:
        InputError: lists every refused file with line, fault and remedy.

    """
    lab = lab_of(lab_file)
    rows = ledger.read(delta_path(lab, FEEDS[0].ledger), batch_id=batch_id)
    refused = sorted((row.feed, row.source_file, row.reason) for row in rows if row.status == "refused")
    if refused:
        listing = "\n".join(f"  - [{name}] {reason}" for name, _, reason in refused)
        raise InputError(
            f"{len(refused)} {'file was' if len(refused) == 1 else 'files were'} refused, all others have landed:\n"
            f"{listing}",
            remedy="Repair these files and run again: files that have landed are not landed twice",
        )
    return {"batch_id": batch_id, "refused": 0}


def main(arguments: Sequence[str] | None = None) -> int:
    """Land a folder by hand; the last line of output is `RESULT {json}`, the exit code the error's."""
    parser = argparse.ArgumentParser(prog="quintet.lakehouse.land", description="Land a folder of files in bronze.")
    parser.add_argument("--input", required=True, help="input folder")
    parser.add_argument("--lab", help="lab file (default: that of this machine)")
    parser.add_argument("--from", dest="from_", metavar="YYYY-MM-DD", help="first day")
    parser.add_argument("--to", metavar="YYYY-MM-DD", help="last day")
    parser.add_argument("--batch-id", default=f"manual__{datetime.now(UTC):%Y%m%dT%H%M%S%f}", help="batch identifier")
    options = parser.parse_args(arguments)
    try:
        check_input(options.input)
        chunks = list_pending(options.input, options.from_, options.to, lab_file=options.lab)
        results = [land_chunk(chunk, options.batch_id, lab_file=options.lab) for chunk in chunks]
        sys.stdout.write(f"RESULT {json.dumps(results)}\n")
        raise_refused(options.batch_id, lab_file=options.lab)
    except QuintetError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _found(folder: Path) -> dict[str, list[Path]]:
    if not folder.exists():
        raise InputError(
            f"the input folder {folder} does not exist",
            remedy="Name a folder with daily CSV files, or make some: quintet generate lakehouse",
        )
    try:
        return {known.name: files_of(known, folder) for known in FEEDS}
    except OSError as error:
        raise InputError(
            f"the input folder {folder} cannot be listed by user {getpass.getuser()} ({error.strerror})",
            remedy="Name a folder, and let the lab's user read it (chmod o+rx, also on the folders above it)",
        ) from error


def _day(text: str | None, name: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InputError(f"'{name}' is no day: {text}", remedy="Write it as YYYY-MM-DD") from error


def _within(paths: list[Path], first: date | None, last: date | None) -> list[Path]:
    if first is None and last is None:
        return paths
    days = ((path, file_date(path.name)) for path in paths)
    return [path for path, day in days if day and (first or day) <= day <= (last or day)]


def _looked_at(lab: Lab, wanted: Feed, paths: list[Path]) -> tuple[list[Path], list[str]]:
    """Files whose content is new under their name; descriptions of those that are an earlier version of theirs."""
    rows = ledger.read(delta_path(lab, wanted.ledger), feed=wanted.name)
    known = {(row.source_file, row.file_hash): row.file_version for row in rows if row.status != "refused"}
    in_force: dict[str, int] = {}
    for (name, _), version in known.items():
        in_force[name] = max(version, in_force.get(name, 0))
    with ThreadPoolExecutor(PARALLEL_CHUNKS) as pool:
        found = [
            (path, known.get((path.name, content))) for path, content in zip(paths, pool.map(_hash, paths), strict=True)
        ]
    old = [
        f"{path.name} as in version {version}, version {in_force[path.name]} is in force"
        for path, version in found
        if version and version < in_force[path.name]
    ]
    return [path for path, version in found if version is None], old


def _warn(lab: Lab, outdated: Sequence[str]) -> None:
    number = len(outdated)
    alerts.warn(
        lab,
        source="ingest",
        project=SLUG,
        run_id=os.environ.get("AIRFLOW_CTX_DAG_RUN_ID", ""),
        title=f"{number} {'file stands' if number == 1 else 'files stand'} in the input as an earlier version",
        detail="\n".join(f"- {text}" for text in outdated),
        remedy="To go back to an earlier version send it with a change, such as a blank line at its end",
    )


def _hash(path: Path) -> str:
    try:
        return content_hash(path)
    except FileRefusedError:
        return ""  # pending: the landing refuses it and says why


def _chunks(pending: list[tuple[str, Path]]) -> list[dict[str, Any]]:
    sizes = [size_of(path) for _, path in pending]
    total = sum(sizes)
    count = 1 if total < PARALLEL_BYTES else min(PARALLEL_CHUNKS, len(pending))
    chunks: list[dict[str, Any]] = []
    done = 0
    for (name, path), size in zip(pending, sizes, strict=True):
        # Neighbouring days stay together: a chunk is the next share of the bytes.
        if not chunks or (len(chunks) < count and done >= total * len(chunks) / count):
            chunks.append({"files": [], "bytes": 0})
        chunks[-1]["files"].append({"feed": name, "path": str(path)})
        chunks[-1]["bytes"] += size
        done += size
    return chunks


if __name__ == "__main__":
    sys.exit(main())
