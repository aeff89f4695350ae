"""Announce a folder of files: `python -m quintet.lakehouse.announce`, in the environment `streaming`.

Options: --input DIR --sender NAME [--again]. The id of an announcement is made of the folder and of name, size and time
of its files: the same folder, unchanged, makes the same announcement, which is taken once. The last line of output is
`RESULT {json}`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quintet.call import tell
from quintet.catalogue import Topic
from quintet.catalogue.inputs import INPUTS_ANNOUNCED
from quintet.contracts import read_contracts
from quintet.errors import InputError
from quintet.lakehouse.feeds import FEEDS, files_of
from quintet.lakehouse.land import check_input
from quintet.settings import load_lab
from quintet.streams.producer import ContractedProducer
from quintet.streams.schemas import value_schema

__all__ = ["announce", "main"]


def announce(folder: Path, sender: str, *, again: bool = False, topic: Topic = INPUTS_ANNOUNCED) -> dict[str, Any]:
    """Send one announcement; the record with the number of files, or {"fault"} for a folder that cannot be taken in.

    Raises:
        ServiceDownError: the registry does not answer.
        TopicError: the broker does not take the record.

    """
    try:
        found = check_input(str(folder))
    except InputError as error:
        return {"fault": str(error)}
    now = datetime.now(UTC)
    record = {
        "announcement_id": _identity(folder, salt=str(time.time_ns()) if again else ""),
        "folder": str(folder),
        "sender": sender,
        "announced_at": now,
    }
    contract = read_contracts()[INPUTS_ANNOUNCED.name]
    producer = ContractedProducer(load_lab(), topic, contract, value_schema(topic))
    producer.put(record)
    producer.flush()
    shown = {**record, "announced_at": now.isoformat(timespec="seconds"), "topic": topic.name}
    return {**shown, "files": found["files"], "bytes": found["bytes"]}


def _identity(folder: Path, *, salt: str) -> str:
    digest = hashlib.sha256(f"{folder}\n{salt}".encode())
    for path in sorted({path for feed in FEEDS for path in files_of(feed, folder)}):
        facts = path.stat()
        digest.update(f"{path.relative_to(folder)}\n{facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="quintet.lakehouse.announce", description="Announce a folder of files.")
    parser.add_argument("--input", required=True, type=Path, help="absolute path of the folder")
    parser.add_argument("--sender", required=True, help="who asks for it")
    parser.add_argument("--again", action="store_true", help="also when it was announced before, unchanged")
    options = parser.parse_args(arguments)
    return tell(lambda: announce(options.input, options.sender, again=options.again))


if __name__ == "__main__":
    sys.exit(main())
