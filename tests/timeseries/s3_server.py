"""A SeaweedFS on free loopback ports with one bucket and one user, ended by its process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from pyarrow import fs
from services import free_port

from quintet.timeseries.s3settings import S3Settings

__all__ = ["BUCKET", "S3Server"]

BUCKET = "cold"
#: Seconds; it stops a hanging test and measures nothing.
READY_LIMIT = 120
_KEY, _SECRET = "store", "the-secret-of-the-store"
_PROGRAM = Path(sys.executable).with_name("weed")
_PARTS = ("master", "volume", "filer", "s3")


class S3Server:
    """Keeps its objects in a folder, over kills and starts, on the same ports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {name: free_port() for part in _PARTS for name in (f"{part}.port", f"{part}.port.grpc")}
        self._process: subprocess.Popen[bytes] | None = None
        actions = ["Admin", "Read", "Write", "List"]
        user = {"name": "store", "credentials": [{"accessKey": _KEY, "secretKey": _SECRET}], "actions": actions}
        (folder / "users.json").write_text(json.dumps({"identities": [user]}))

    def settings(self, prefix: str, **others: str) -> S3Settings:
        endpoint = f"http://127.0.0.1:{self._ports['s3.port']}"
        given = {"endpoint": endpoint, "bucket": BUCKET, "access_key": _KEY, "secret_key": _SECRET, **others}
        return S3Settings(**given, prefix=prefix, attempts=2)  # type: ignore[arg-type]

    def files(self) -> fs.S3FileSystem:
        return fs.S3FileSystem(
            access_key=_KEY,
            secret_key=_SECRET,
            scheme="http",
            region="us-east-1",
            endpoint_override=f"127.0.0.1:{self._ports['s3.port']}",
            allow_bucket_creation=True,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )

    def names(self, prefix: str) -> set[str]:
        """Names of the objects below a prefix."""
        found = self.files().get_file_info(fs.FileSelector(f"{BUCKET}/{prefix}", allow_not_found=True))
        return {info.base_name for info in found}

    def start(self) -> None:
        """Start, wait until an object can be written, which a server that starts again cannot at once."""
        line = [
            str(_PROGRAM),
            "server",
            f"-dir={self._folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            f"-s3.config={self._folder / 'users.json'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64",
            "-master.raftHashicorp",  # elects itself in seconds after a kill
            *(f"-{name}={port}" for name, port in self._ports.items()),
        ]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT)
        files = self.files()
        end = time.monotonic() + READY_LIMIT
        while time.monotonic() < end:
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            try:
                files.create_dir(BUCKET)
                with files.open_output_stream(f"{BUCKET}/ready") as file:
                    file.write(b"ready")
                with files.open_input_file(f"{BUCKET}/ready") as file:
                    assert file.read() == b"ready"
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the S3 server is not ready after {READY_LIMIT} s")

    def kill(self) -> None:
        """End it without warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
