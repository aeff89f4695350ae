"""An S3 server with one bucket, and the settings of a tier in it."""

from __future__ import annotations

from pathlib import Path

from pyarrow import fs

from quintet.timeseries.s3settings import S3Settings
from weed_server import ADMIN, WeedServer

__all__ = ["BUCKET", "S3Server"]

BUCKET = "cold"


class S3Server(WeedServer):
    """One bucket, one user."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, bucket=BUCKET)

    def settings(self, prefix: str, **others: str) -> S3Settings:
        given = {"endpoint": self.endpoint, "bucket": BUCKET, "access_key": ADMIN[0], "secret_key": ADMIN[1], **others}
        return S3Settings(**given, prefix=prefix, attempts=2)  # type: ignore[arg-type]

    def names(self, prefix: str) -> set[str]:
        """Names of the objects below a prefix."""
        found = self.files().get_file_info(fs.FileSelector(f"{BUCKET}/{prefix}", allow_not_found=True))
        return {info.base_name for info in found}
