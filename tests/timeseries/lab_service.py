"""A lab file that names a running service and its tokens, for programs that ask the lab's database."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

from labs import lab_below
from quintet.settings import Lab, read_lab
from quintet.webservice.tokens import Token, Tokens

__all__ = ["SECRETS", "TOKENS", "lab_with_door"]

SECRETS = {f"timeseries_{name}": f"secret of {name}" for name in ("admin", "writer", "reader")}
SCOPES = {"admin": {"read", "write", "admin"}, "writer": {"write"}, "reader": {"read"}}
TOKENS = Tokens(
    tuple(
        Token(name, frozenset(scopes), hashlib.sha256(SECRETS[f"timeseries_{name}"].encode()).hexdigest())
        for name, scopes in SCOPES.items()
    )
)


def lab_with_door(home: Path, port: int) -> Lab:
    lab = lab_below(home, secrets=SECRETS)
    content = yaml.safe_load(lab.file.read_text(encoding="utf-8"))
    content["endpoints"]["timeseries"] = {"host": "127.0.0.1", "port": port, "scheme": "http"}
    lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_lab(lab.file)
