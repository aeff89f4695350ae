"""The object store as the role leaves it: who may do what, versions, rules; and what the door to it promises."""

from __future__ import annotations

import dataclasses
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from stores import Store

from free_ports import free_port
from labs import lab_below
from quintet.errors import LabError, ServiceDownError
from quintet.objects import Bucket, ObjectChangedError

ROUNDS, WRITERS = 5, 6
USERS = ["timeseries", "lake_writer", "lake_reader"]


def client(store: Store, user: str) -> Any:
    """What a person has who holds the key of a user."""
    return boto3.client(
        "s3",
        endpoint_url=store.server.endpoint,
        aws_access_key_id=user,
        aws_secret_access_key=store.secret(user),
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


# the role's program


def test_a_second_provisioning_changes_nothing_and_a_changed_rule_is_put(store: Store) -> None:
    assert store.client("provision").stdout == "same\n"
    assert store.client("provision", former_days=3).stdout == "changed\n"
    found = client(store, "admin").get_bucket_lifecycle_configuration(Bucket="lake")["Rules"]
    days = {rule["ID"]: rule for rule in found}["former-versions"]["NoncurrentVersionExpiration"]
    assert days == {"NoncurrentDays": 3}
    assert store.client("provision").stdout == "changed\n"
    assert store.client("provision").stdout == "same\n"


def test_a_bucket_that_stopped_keeping_versions_keeps_them_again(store: Store) -> None:
    admin = client(store, "admin")
    admin.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Suspended"})
    try:
        with pytest.raises(LabError, match="the bucket lake keeps no versions"):
            store.bucket("lake_writer").put("gold_suspended", b"")
    finally:
        assert store.client("provision").stdout == "changed\n"
    assert admin.get_bucket_versioning(Bucket="lake")["Status"] == "Enabled"


def test_the_rules_are_those_of_the_variables(store: Store) -> None:
    found = client(store, "admin").get_bucket_lifecycle_configuration(Bucket="lake")["Rules"]
    assert {rule["ID"]: rule["Status"] for rule in found} == dict.fromkeys(
        ["former-versions", "removal-marks", "unfinished-uploads"], "Enabled"
    )
    by_name = {rule["ID"]: rule for rule in found}
    assert by_name["former-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == store.layout["former_days"]
    aborted = by_name["unfinished-uploads"]["AbortIncompleteMultipartUpload"]
    assert aborted["DaysAfterInitiation"] == store.layout["upload_days"]


def test_the_check_passes_and_leaves_nothing(store: Store) -> None:
    done = store.client("check")
    assert done.returncode == 0, done.stderr
    assert [version for version in store.bucket("admin").versions("") if "check-" in version.key] == []
    assert store.client("ready").returncode == 0


@pytest.mark.parametrize(
    ("user", "rights", "told"),
    [
        ("lake_reader", {"reads": ["lake/gold_*"], "writes": ["lake/gold_*"]}, "AccessDenied"),
        ("lake_writer", {"reads": ["lake/gold_*"], "writes": []}, "lake_writer, who may only read is let in"),
        ("timeseries", {"reads": ["lake/gold_*"], "writes": []}, "AccessDenied"),
    ],
)
def test_the_check_fails_where_users_may_do_less_or_more(
    store: Store, user: str, rights: dict[str, Any], told: str
) -> None:
    users = [{"name": user, **rights}]
    done = store.client("check", users=users)
    assert done.returncode == 1
    assert told in done.stderr


# users


@pytest.mark.parametrize("user", USERS)
def test_nobody_but_the_admin_changes_buckets_that_keep_versions(store: Store, user: str) -> None:
    asks = client(store, user)
    rules = {"Rules": [{"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}
    for attempt in (
        lambda: asks.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Suspended"}),
        lambda: asks.put_bucket_lifecycle_configuration(Bucket="lake", LifecycleConfiguration=rules),
        lambda: asks.delete_bucket_lifecycle(Bucket="lake"),
        lambda: asks.put_bucket_acl(Bucket="lake", ACL="public-read"),
        lambda: asks.delete_bucket(Bucket="lake"),
        lambda: asks.create_bucket(Bucket="another"),
        lambda: asks.put_object(Bucket="lake", Key="elsewhere", Body=b""),
        lambda: asks.list_objects_v2(Bucket="lake"),
        lambda: asks.put_object(Bucket="quintet-ready", Key="x", Body=b""),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt()


def test_a_reader_reads_and_lists_and_does_nothing_else(store: Store, writer: Bucket, place: str) -> None:
    writer.put(place + "a", b"1")
    reader = store.bucket("lake_reader")
    found = reader.read(place + "a")
    assert found is not None
    assert found.data == b"1"
    (version,) = reader.versions(place)
    for attempt in (
        lambda: reader.put(place + "b", b""),
        lambda: reader.swap(place + "a", b"", found.etag),
        lambda: reader.remove(version),
    ):
        with pytest.raises(LabError, match=r"lake_reader cannot .* access is refused"):
            attempt()
    assert writer.read(place + "a") == found


def test_the_time_series_user_sees_nothing_of_the_lake(store: Store, writer: Bucket, place: str) -> None:
    writer.put(place + "a", b"1")
    stranger = store.bucket("timeseries")
    with pytest.raises(LabError, match="access is refused"):
        stranger.read(place + "a")
    with pytest.raises(LabError, match="access is refused"):
        stranger.versions(place)
    with pytest.raises(LabError, match="access is refused"):
        store.bucket("lake_writer", "timeseries").put("x", b"")


@pytest.mark.parametrize(("user", "secret"), [("lake_writer", "wrong"), ("nobody", "wrong")])
def test_a_wrong_key_is_refused_and_not_shown(store: Store, user: str, secret: str) -> None:
    bucket = Bucket("lake", endpoint=store.server.endpoint, user=user, secret=secret)
    with pytest.raises(LabError, match=r"access is refused.*make install") as raised:
        bucket.read("gold_x")
    assert store.secret("lake_writer") not in str(raised.value)


# the door


def test_of_writers_on_one_condition_exactly_one_wins(store: Store, place: str) -> None:
    reader, writers = store.bucket("lake_reader"), [store.bucket("lake_writer") for _ in range(WRITERS)]
    for number in range(ROUNDS):
        key = f"{place}{number}"
        for first in (True, False):
            found = reader.read(key)
            known = None if first else found.etag if found else "absent"
            won: list[bytes] = []
            start = threading.Barrier(WRITERS)

            def write(
                one: int,
                name: bytes,
                key: str = key,
                known: str | None = known,
                won: list[bytes] = won,
                start: Any = start,
            ) -> None:
                start.wait()
                try:
                    writers[one].swap(key, name, known)
                except ObjectChangedError:
                    return
                won.append(name)

            threads = [threading.Thread(target=write, args=(one, b"%d%d" % (first, one))) for one in range(WRITERS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(won) == 1
            content = reader.read(key)
            assert content is not None
            assert content.data == won[0]


def test_removing_an_old_version_beside_a_new_one_keeps_the_new_one(store: Store, place: str) -> None:
    writer, remover = store.bucket("lake_writer"), store.bucket("lake_writer")
    for number in range(ROUNDS * 4):
        key = f"{place}{number}"
        writer.put(key, b"old")
        (old,) = writer.versions(key)
        start = threading.Barrier(2)

        def remove(old: Any = old, start: Any = start) -> None:
            start.wait()
            remover.remove(old)

        thread = threading.Thread(target=remove)
        thread.start()
        start.wait()
        writer.put(key, b"new")
        thread.join()
        found = writer.read(key)
        assert found is not None, number
        assert found.data == b"new"
        assert [version.is_latest for version in writer.versions(key)] == [True]


def test_versions_come_newest_first_with_marks_of_removal(store: Store, writer: Bucket, place: str) -> None:
    key = place + "a"
    for content in (b"1", b"2"):
        writer.put(key, content)
    client(store, "lake_writer").delete_object(Bucket="lake", Key=key)
    assert writer.read(key) is None
    found = writer.versions(place)
    assert [(version.is_latest, version.is_marker) for version in found] == [
        (True, True),
        (False, False),
        (False, False),
    ]
    assert all(version.written_at <= datetime.now(UTC) for version in found)
    writer.remove(found[0])
    content = writer.read(key)
    assert content is not None
    assert content.data == b"2"


def test_more_versions_than_a_page_are_all_listed(writer: Bucket, place: str) -> None:
    writer.put(place + "a", b"")
    pages = writer._s3.get_paginator
    writer._s3.get_paginator = lambda name: _Paged(pages(name))
    for number in range(7):
        writer.put(f"{place}b{number}", b"")
    assert len(writer.versions(place)) == 8


class _Paged:
    """A paginator of small pages."""

    def __init__(self, paginator: Any) -> None:
        self._paginator = paginator

    def paginate(self, **given: Any) -> Any:
        return self._paginator.paginate(**given, PaginationConfig={"PageSize": 3})


def test_an_unfinished_upload_is_listed_and_given_up(store: Store, writer: Bucket, place: str) -> None:
    client(store, "lake_writer").create_multipart_upload(Bucket="lake", Key=place + "a")
    (upload,) = writer.uploads(place)
    assert upload.key == place + "a"
    writer.abort(upload)
    assert writer.uploads(place) == []


def test_a_store_that_is_away_and_a_bucket_that_is_none_are_told(store: Store) -> None:
    away = Bucket("lake", endpoint=f"http://127.0.0.1:{free_port()}", user="x", secret="y")
    with pytest.raises(ServiceDownError, match=r"does not answer at http://127.*quintet doctor"):
        away.read("gold_x")
    with pytest.raises(LabError, match="there is no such bucket"):
        store.bucket("admin", "nothing").versions("")


def test_a_lab_names_bucket_user_and_key_or_says_how_to_get_them(store: Store, tmp_path: Path) -> None:
    options = {"objects": {"bucket": "lake", "writer": "lake_writer", "reader": "lake_reader"}}
    secrets = {"objects_lake_writer": store.secret("lake_writer")}
    lab = lab_below(tmp_path, more_doors={"objects": store.server.port}, options=options, secrets=secrets)
    bucket = Bucket.of(lab, "writer")
    assert (bucket.name, bucket.user) == ("lake", "lake_writer")
    assert bucket.read("gold_nothing") is None
    without = dataclasses.replace(lab, options={}, profiles=("core", "lakehouse"))
    with pytest.raises(LabError, match="make install PROFILES=core,lakehouse,objects"):
        Bucket.of(without, "writer")
