"""Write who may enter Prometheus and Alertmanager, with bcrypt digests; prints `changed` or `same`.

Usage: web.py <file> <owner> <group> <secrets file> <user>...

The password of a user is the secret monitoring_<user>. A digest that fits its password stays as it is: a new one would
be another each time.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from pathlib import Path

with warnings.catch_warnings():
    # Debian's Python has it up to 3.12, the last that the lab is for; nothing else brings bcrypt.
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

#: Rounds of bcrypt, as a power of two by their logarithm: 2^10. The passwords are 256 random bits.
ROUNDS = 1 << 10


def main(file: str, owner: str, group: str, secrets_file: str, *users: str) -> None:
    """Write the file when a digest is missing or does not fit."""
    path = Path(file)
    values = dict(
        line.split(": ", 1) for line in Path(secrets_file).read_text(encoding="utf-8").splitlines() if ": " in line
    )
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    known = dict(line.strip().split(": ", 1) for line in old.splitlines() if line.startswith("  "))
    lines = []
    for user in users:
        password = values[f"monitoring_{user}"].strip("'\"")
        digest = known.get(user, "")
        if not digest or crypt.crypt(password, digest) != digest:
            digest = crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=ROUNDS))  # noqa: S324  # bcrypt
        lines.append(f"  {user}: {digest}\n")
    new = f"# Written by the playbook.\nbasic_auth_users:\n{''.join(lines)}"
    if new != old:
        draft = path.with_suffix(".new")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as target:
            target.write(new)
        shutil.chown(draft, owner, group)
        draft.replace(path)
    sys.stdout.write("same\n" if new == old else "changed\n")


main(*sys.argv[1:])
