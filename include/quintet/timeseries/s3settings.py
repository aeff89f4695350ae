"""Where an S3 tier is and who asks: an environment file, read once. Keys are masked wherever settings are shown."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from quintet.errors import SettingsError

__all__ = ["SETTINGS_VARIABLE", "S3Settings"]

#: Environment variable that names the file, for verbs of the command without an option for it.
SETTINGS_VARIABLE = "QUINTET_TIMESERIES_S3"
_NEEDED = ("S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY")
_KNOWN = {*_NEEDED, "S3_PREFIX", "S3_REGION", "S3_CA_FILE"}


@dataclass(frozen=True, kw_only=True)
class S3Settings:
    """An S3 store. endpoint: `http://host:port` or `https://host`; ca_file: certificates to trust, PEM.

    connect_seconds: until a server that does not answer counts as down; attempts: of each request.
    """

    endpoint: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    prefix: str = "timeseries"
    region: str = "us-east-1"
    ca_file: Path | None = None
    connect_seconds: float = 5
    attempts: int = 3

    def __post_init__(self) -> None:
        address = urlsplit(self.endpoint)
        if address.scheme not in {"http", "https"} or not address.netloc or address.path.strip("/") or address.username:
            raise SettingsError(f"S3 endpoint {self.endpoint!r}", remedy="Write it like https://s3.example.org:8333")
        for name in ("bucket", "prefix"):
            value = getattr(self, name)
            if not value or value.startswith("/") or value.endswith("/") or ".." in value.split("/"):
                raise SettingsError(f"S3 {name} {value!r}", remedy="Give a name without slashes at its ends")

    @staticmethod
    def read(path: Path) -> S3Settings:
        """Read a file of lines `NAME=value` that only its owner may read.

        S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY and S3_SECRET_KEY are needed; S3_PREFIX, S3_REGION and S3_CA_FILE may be.

        Raises:
            SettingsError: the file is absent, open to others, or incomplete.

        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise SettingsError(f"S3 settings {path}: {error.strerror}", remedy="Name an existing file") from error
        if mode & 0o077:
            raise SettingsError(f"S3 settings {path} have mode {mode:04o}", remedy=f"Run chmod 600 {path}")
        return _made(path, dict(_pairs(path, lines)))

    @staticmethod
    def from_environment() -> S3Settings | None:
        """Those of the file that `SETTINGS_VARIABLE` names; None when it names none."""
        named = os.environ.get(SETTINGS_VARIABLE, "")
        return S3Settings.read(Path(named)) if named else None


def _pairs(path: Path, lines: list[str]) -> list[tuple[str, str]]:
    found = []
    for number, line in enumerate(lines, 1):
        name, equals, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not equals or name not in _KNOWN:  # not the line itself, which may hold a key
            raise SettingsError(
                f"S3 settings {path}, line {number}",
                remedy=f"Write NAME=value, NAME one of {', '.join(sorted(_KNOWN))}",
            )
        found.append((name, value.strip().strip("\"'")))
    return found


def _made(path: Path, found: dict[str, str]) -> S3Settings:
    missing = [name for name in _NEEDED if not found.get(name)]
    if missing:
        raise SettingsError(f"S3 settings {path} lack {', '.join(missing)}", remedy="Add a line for each")
    ca_file = found.get("S3_CA_FILE")
    return S3Settings(
        endpoint=found["S3_ENDPOINT"].rstrip("/"),
        bucket=found["S3_BUCKET"],
        access_key=found["S3_ACCESS_KEY"],
        secret_key=found["S3_SECRET_KEY"],
        prefix=found.get("S3_PREFIX", "timeseries"),
        region=found.get("S3_REGION", "us-east-1"),
        ca_file=Path(ca_file) if ca_file else None,
    )
