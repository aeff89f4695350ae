"""Access tokens: who may read and who may write, from a file that only its owner can read.

A line of the file is `name scopes sha256`, for example `grafana read 2c26b4…`; scopes are `read`, `write` and
`admin`, joined by commas. The file holds digests: whoever sees it cannot use what is in it. Tokens are random and
long (`new_token`), which is why a plain digest is enough.

A request shows its token as `Authorization: Bearer …`, `Authorization: Token …` (InfluxDB's clients) or as the
password of `Authorization: Basic …`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quintet.errors import SettingsError

__all__ = ["SCOPES", "AccessError", "Token", "Tokens", "new_token"]

SCOPES = frozenset({"read", "write", "admin"})


class AccessError(Exception):
    """A request is refused: `status` 401 without a known token, 403 without the scope."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Token:
    """A line of the file; the digest is not shown."""

    name: str
    scopes: frozenset[str]
    digest: str

    def __repr__(self) -> str:
        return f"Token({self.name!r}, {sorted(self.scopes)})"


@dataclass(frozen=True)
class Tokens:
    """The tokens of a service; without any, everybody may do everything."""

    tokens: tuple[Token, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Tokens:
        """Read a tokens file.

        Raises:
            SettingsError: the file is absent, others can read it, or a line cannot be understood.

        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"tokens file {path}: {error.strerror}", remedy="Make it with `token`") from error
        if mode & 0o077:
            raise SettingsError(f"tokens file {path} has mode {mode:04o}", remedy=f"Run chmod 600 {path}")
        tokens = tuple(_token(path, number, line) for number, line in _lines(text))
        if not tokens:
            raise SettingsError(f"tokens file {path} holds no token", remedy="Make one with `token`")
        return cls(tokens)

    def check(self, authorization: str | None, scope: str) -> str:
        """Name of the token that allows `scope`; "anonymous" where no tokens are used.

        Raises:
            AccessError: no token is shown, it is not known, or it does not allow this.

        """
        if not self.tokens:
            return "anonymous"
        shown = _shown(authorization or "")
        if not shown:
            raise AccessError(401, "unauthorized: send the header Authorization: Bearer <token>")
        digest = hashlib.sha256(shown.encode()).hexdigest()
        for token in self.tokens:
            if hmac.compare_digest(token.digest, digest):
                if scope not in token.scopes:
                    raise AccessError(403, f"forbidden: the token {token.name!r} has no scope {scope!r}")
                return token.name
        raise AccessError(401, "unauthorized: the token is not known")


def new_token(path: Path, name: str, scopes: Iterable[str]) -> str:
    """Add a token to the file, which is made with mode 0600 where it is absent; the token itself is shown only here.

    Raises:
        SettingsError: a scope is unknown, the name is no single word or taken.

    """
    wanted = set(scopes)
    if not wanted or wanted - SCOPES:
        raise SettingsError(f"scopes {sorted(wanted)}", remedy=f"Choose among {', '.join(sorted(SCOPES))}")
    if not name or len(name.split()) != 1 or name.startswith("#"):
        raise SettingsError(f"token name {name!r}", remedy="Give one word")
    if path.exists() and path.stat().st_size and name in {token.name for token in Tokens.read(path).tokens}:
        raise SettingsError(f"a token {name!r} exists in {path}", remedy="Take another name or remove its line")
    token = secrets.token_urlsafe(32)
    path.touch(mode=0o600)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{name} {','.join(sorted(wanted))} {hashlib.sha256(token.encode()).hexdigest()}\n")
    return token


def _lines(text: str) -> Iterable[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _token(path: Path, number: int, line: str) -> Token:
    parts = line.split()
    scopes = frozenset(parts[1].split(",")) if len(parts) == 3 else frozenset()
    if not scopes or scopes - SCOPES or len(parts[2]) != 64:
        raise SettingsError(f"tokens file {path}, line {number}", remedy="Write: name scopes sha256-of-the-token")
    return Token(parts[0], scopes, parts[2].lower())


def _shown(authorization: str) -> str:
    kind, _, value = authorization.strip().partition(" ")
    if kind.lower() in {"bearer", "token"}:
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
