"""Provision the object store's buckets and prove that it can be used.

Usage: client.py ready|provision|check <url> <secrets file> <layout>

The layout is JSON: `buckets`; `versioned`, those of them that keep former versions; `former_days` and `upload_days`,
how long these keep former versions and unfinished uploads; `users` with `name`, `reads` and `writes`, each as `bucket`
or `bucket/beginning of keys*`.

`ready` exits 0 when an object can be written: a server that starts again answers before it can. `provision` makes
buckets that are missing and gives them their settings; prints `changed` or `same`. `check` does as each user what the
layout allows, and tries what must be refused: a wrong key, a place of another, writing where it may only be read, the
settings of a bucket that keeps versions.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

READY = "quintet-ready"
ADMIN = "admin"
CONTENT = b"written by the playbook"
DENIED = {"AccessDenied", "SignatureDoesNotMatch", "403"}

Layout = dict[str, Any]
Enter = Callable[..., Any]


def main(verb: str, url: str, secrets_file: str, given: str) -> int:
    """Do what the verb says; the exit code says whether it is as it should be."""
    layout: Layout = json.loads(given)
    secrets = yaml.safe_load(Path(secrets_file).read_text(encoding="utf-8"))

    def enter(user: str, secret: str = "") -> Any:
        return boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=user,
            aws_secret_access_key=secret or secrets[f"objects_{user}"],
            region_name="us-east-1",
            config=Config(
                connect_timeout=5,
                read_timeout=10,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                proxies={},
            ),
        )

    try:
        if verb == "provision":
            sys.stdout.write("changed\n" if provision(enter(ADMIN), layout) else "same\n")
        elif verb == "check":
            check(enter, layout)
        else:
            admin = enter(ADMIN)
            make(admin, READY)
            prove(admin, READY)
    except (BotoCoreError, ClientError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    return 0


def provision(admin: Any, layout: Layout) -> bool:
    """Make and set up all buckets; whether something had to be done."""
    done = [make(admin, bucket) for bucket in layout["buckets"]]
    for bucket in layout["versioned"]:
        done += [keep_versions(admin, bucket), set_rules(admin, bucket, rules(layout))]
    return any(done)


def make(admin: Any, bucket: str) -> bool:
    """Make a bucket that is missing; whether it was."""
    if bucket in {entry["Name"] for entry in admin.list_buckets()["Buckets"]}:
        return False
    admin.create_bucket(Bucket=bucket)
    return True


def keep_versions(admin: Any, bucket: str) -> bool:
    """Let a bucket keep former versions; whether it did not."""
    if admin.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
        return False
    admin.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return True


def rules(layout: Layout) -> list[dict[str, Any]]:
    """What becomes of what nobody reads."""
    actions = {
        "former-versions": {"NoncurrentVersionExpiration": {"NoncurrentDays": layout["former_days"]}},
        "removal-marks": {"Expiration": {"ExpiredObjectDeleteMarker": True}},
        "unfinished-uploads": {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": layout["upload_days"]}},
    }
    return [{"ID": name, "Status": "Enabled", "Filter": {"Prefix": ""}, **action} for name, action in actions.items()]


def set_rules(admin: Any, bucket: str, wanted: list[dict[str, Any]]) -> bool:
    """Give a bucket its rules; whether it had others."""
    try:
        found = admin.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        found = []
    if sorted(found, key=lambda rule: str(rule["ID"])) == wanted:
        return False
    admin.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": wanted})
    return True


def prove(client: Any, place: str) -> None:
    """Write an object in a place, read part of it, remove it. Raises ClientError and ValueError."""
    bucket, key = key_in(place)
    written = client.put_object(Bucket=bucket, Key=key, Body=CONTENT)
    try:
        read(client, bucket, key)
    finally:
        # For good, where versions are kept.
        version = {"VersionId": written["VersionId"]} if "VersionId" in written else {}
        client.delete_object(Bucket=bucket, Key=key, **version)


def read(client: Any, bucket: str, key: str) -> None:
    """Read the first seven bytes of an object that `prove` wrote."""
    if client.get_object(Bucket=bucket, Key=key, Range="bytes=0-6")["Body"].read() != CONTENT[:7]:
        raise ValueError(f"{bucket}/{key}: another object was read than was written")


def key_in(place: str) -> tuple[str, str]:
    """Bucket and key of a new object in a place."""
    bucket, _, beginning = place.partition("/")
    return bucket, f"{beginning.removesuffix('*')}check-{uuid.uuid4().hex}"


def check(enter: Enter, layout: Layout) -> None:
    """Do what each user may, and be refused what not. Raises ClientError and ValueError."""
    admin = enter(ADMIN)
    for user in layout["users"]:
        name, client = user["name"], enter(user["name"])
        for place in user["writes"]:
            prove(client, place)
            refused(f"{name} with a wrong key", prove, enter(name, "wrong"), place)
        for place in user["reads"]:
            check_reads(admin, client, name, place, is_writer=place in user["writes"])
        refused(f"{name} in a place of another", prove, client, READY)
        for bucket in layout["versioned"]:
            refused(f"{name} in all of {bucket}", prove, client, f"{bucket}/check-outside-")
            refused(f"{name}, who would keep no versions", suspend, client, bucket)
            refused(f"{name}, who would change the rules", set_rules_of, client, bucket)


def check_reads(admin: Any, client: Any, name: str, place: str, *, is_writer: bool) -> None:
    """Find and read an object of somebody else; who may only read neither writes over it nor removes it."""
    bucket, key = key_in(place)
    written = admin.put_object(Bucket=bucket, Key=key, Body=CONTENT)
    try:
        read(client, bucket, key)
        listed = client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        if [entry["Key"] for entry in listed] != [key]:
            raise ValueError(f"{bucket}/{key}: {name} does not find it")
        if not is_writer:
            refused(f"{name}, who may only read", client.put_object, Bucket=bucket, Key=key, Body=b"")
            refused(f"{name}, who may only read", client.delete_object, Bucket=bucket, Key=key)
    finally:
        version = {"VersionId": written["VersionId"]} if "VersionId" in written else {}
        admin.delete_object(Bucket=bucket, Key=key, **version)


def suspend(client: Any, bucket: str) -> None:
    """Try to let a bucket keep no versions: what it is now stays, also when that is allowed."""
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def set_rules_of(client: Any, bucket: str) -> None:
    """Try to read and so to change the rules of a bucket."""
    found = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": found})


def refused(who: str, attempt: Callable[..., Any], *given: Any, **named: Any) -> None:
    """Raise ValueError when an attempt succeeds."""
    try:
        attempt(*given, **named)
    except ClientError as error:
        if error.response["Error"]["Code"] in DENIED:
            return
        raise
    raise ValueError(f"{who} is let in")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
