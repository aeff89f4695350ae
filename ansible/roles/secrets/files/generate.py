"""Add the missing secrets to a file; prints `changed` or `same`, never a value."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import sys
from pathlib import Path

import yaml


def main() -> None:
    """Arguments: file, owner, group, then name:kind pairs; kind is text (64 characters) or fernet (32 bytes)."""
    path, owner, group, *wanted = Path(sys.argv[1]), *sys.argv[2:]
    known = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = {}
    for entry in wanted:
        name, _, kind = entry.partition(":")
        if name not in known:
            raw = secrets.token_bytes(32)
            missing[name] = base64.urlsafe_b64encode(raw).decode() if kind == "fernet" else secrets.token_hex(32)
    if missing:
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yaml.safe_dump({**known, **missing}, file)
        shutil.chown(draft, owner, group)
        draft.replace(path)
    sys.stdout.write("changed\n" if missing else "same\n")


main()
