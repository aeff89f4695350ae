"""Provision the object store's buckets and prove that it can be used.

Usage: client.py ready <url> <secrets file>
       client.py buckets|check <url> <secrets file> <bucket>...

`ready` exits 0 when an object can be written: a server that starts again answers before it can. `buckets` makes those
that are missing; prints `changed` or `same`. `check` writes, reads and removes an object in each bucket as its user,
and tries what must be refused: a wrong key, a bucket of another user.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import yaml
from pyarrow import fs

READY = "quintet-ready"


def main(verb: str, url: str, secrets_file: str, *buckets: str) -> int:
    """Do what the verb says; the exit code says whether it is as it should be."""
    secrets = yaml.safe_load(Path(secrets_file).read_text(encoding="utf-8"))

    def enter(user: str, secret: str = "") -> fs.S3FileSystem:
        scheme, _, host = url.partition("://")
        return fs.S3FileSystem(
            access_key=user,
            secret_key=secret or secrets[f"objects_{user}"],
            scheme=scheme,
            endpoint_override=host,
            region="us-east-1",
            allow_bucket_creation=True,
            connect_timeout=5,
            request_timeout=10,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )

    try:
        admin = enter("admin")
        if verb == "ready":
            make(admin, READY)
            prove(admin, READY)
        elif verb == "buckets":
            made = [make(admin, bucket) for bucket in buckets]
            sys.stdout.write("changed\n" if any(made) else "same\n")
        else:
            check(enter, buckets)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    return 0


def make(files: fs.S3FileSystem, bucket: str) -> bool:
    """Make a bucket that is missing; whether it was."""
    if files.get_file_info(bucket).type == fs.FileType.Directory:
        return False
    files.create_dir(bucket)
    return True


def prove(files: fs.S3FileSystem, bucket: str) -> None:
    """Write an object, read part of it, remove it. Raises OSError and ValueError."""
    key, content = f"{bucket}/check-{uuid.uuid4().hex}", b"written by the playbook"
    with files.open_output_stream(key) as file:
        file.write(content)
    with files.open_input_file(key) as file:
        if file.read_at(7, 0) != content[:7]:
            raise ValueError(f"{bucket}: another object was read than was written")
    files.delete_file(key)


def check(enter: Callable[..., fs.S3FileSystem], buckets: tuple[str, ...]) -> None:
    """Use each bucket as its user, and be refused as others. Raises OSError and ValueError."""
    for bucket in buckets:
        prove(enter(bucket), bucket)
        refused(enter(bucket, "wrong"), bucket, "a wrong key")
        refused(enter(bucket), READY, f"the user {bucket} in a bucket of another")


def refused(files: fs.S3FileSystem, bucket: str, who: str) -> None:
    """Raise ValueError when an object can be written."""
    try:
        prove(files, bucket)
    except OSError as error:
        text = str(error).upper().replace(" ", "_")
        if any(word in text for word in ("ACCESS_DENIED", "ACCESSDENIED", "SIGNATURE", "FORBIDDEN", "403")):
            return
        raise
    raise ValueError(f"{bucket}: {who} is let in")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
