"""A SeaweedFS on free loopback ports, as the role runs it, ended by whoever has started it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyarrow import fs

from free_ports import free_port

__all__ = ["ADMIN", "WeedServer", "identity"]

#: Seconds; it stops a hanging test and measures nothing.
READY_LIMIT = 120
#: User with all rights, and his key.
ADMIN = ("admin", "the-secret-of-the-admin")
_PROGRAM = Path(sys.executable).with_name("weed")
_PARTS = ("master", "volume", "filer", "s3")


def identity(name: str, secret: str, actions: Sequence[str]) -> dict[str, Any]:
    """A user as SeaweedFS reads him."""
    return {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": list(actions)}


class WeedServer:
    """Keeps its objects in a folder, over kills and starts, on the same ports."""

    def __init__(self, folder: Path, *, users: Sequence[dict[str, Any]] = (), bucket: str = "ready") -> None:
        self._folder, self._bucket = folder, bucket
        self._ports = {name: free_port() for part in _PARTS for name in (f"{part}.port", f"{part}.port.grpc")}
        self._process: subprocess.Popen[bytes] | None = None
        admin = identity(*ADMIN, ["Admin", "Read", "Write", "List"])
        self.write_users({"identities": [admin, *users]})

    def write_users(self, content: dict[str, Any]) -> None:
        """Write who may do what, for the next start."""
        (self._folder / "users.json").write_text(json.dumps(content))

    @property
    def port(self) -> int:
        return self._ports["s3.port"]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def files(self, user: str = ADMIN[0], secret: str = ADMIN[1]) -> fs.S3FileSystem:
        return fs.S3FileSystem(
            access_key=user,
            secret_key=secret,
            scheme="http",
            region="us-east-1",
            endpoint_override=f"127.0.0.1:{self.port}",
            allow_bucket_creation=True,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )

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
            "-volume.max=0",
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
                files.create_dir(self._bucket)
                with files.open_output_stream(f"{self._bucket}/ready") as file:
                    file.write(b"ready")
                with files.open_input_file(f"{self._bucket}/ready") as file:
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
