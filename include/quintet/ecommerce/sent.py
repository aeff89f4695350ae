"""Record of the input that is in the topics: which one it is, and whether all of it is there."""

from __future__ import annotations

from pathlib import Path

from quintet.catalogue.ecommerce import SLUG
from quintet.runs import record
from quintet.settings import Lab

__all__ = ["EMPTIED", "RECORD", "SENDING", "SENT", "ends_sent", "sent_folder"]

#: Name of the record; its `state` is one of these.
RECORD = "sent"
EMPTIED, SENDING, SENT = "emptied", "sending", "sent"


def sent_folder(lab: Lab) -> Path | None:
    """Folder of the input that was sent last, whole or in part; None: there is none."""
    last = record.read(lab, SLUG, RECORD) or {}
    return Path(last["input"]) if last.get("state") in {SENDING, SENT} else None


def ends_sent(lab: Lab) -> int:
    """How many times the end of the input is in the topics: each is a broken record in every partition."""
    return int((record.read(lab, SLUG, RECORD) or {}).get("ends", 1))
