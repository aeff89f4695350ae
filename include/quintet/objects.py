"""Objects of one bucket, asked for through the API of S3: content, files, versions, writes on a condition.

The client is boto3: that of pyarrow, by which the time-series database moves its blocks, knows neither conditions nor
versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from quintet.errors import LabError, ServiceDownError
from quintet.settings import Lab

__all__ = ["Bucket", "Content", "ObjectChangedError", "Upload", "Version"]

#: Seconds until a server that does not answer counts as down, and for one answer; attempts of each request.
CONNECT, ANSWER, ATTEMPTS = 5, 60, 3
#: Of files: no threads of their own, the store is on this machine.
_ONE_BY_ONE = TransferConfig(use_threads=False)
_MISSING = {"NoSuchKey", "404"}
_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict"}
_REFUSED = {"AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "403"}


class ObjectChangedError(LabError):
    """An object is not any more what it was when it was read: somebody else has written it."""


@dataclass(frozen=True)
class Content:
    """What an object holds; `etag` names this content in a condition."""

    data: bytes
    etag: str


@dataclass(frozen=True)
class Version:
    """One version of an object, or the mark of its removal; `written_at` by the server's clock, UTC."""

    key: str
    version_id: str
    etag: str
    is_latest: bool
    is_marker: bool
    written_at: datetime


@dataclass(frozen=True)
class Upload:
    """An upload in parts that was begun and not ended."""

    key: str
    upload_id: str
    begun_at: datetime


class Bucket:
    """A bucket and the user who asks for it.

    Every method raises ServiceDownError when the store does not answer, and LabError when it refuses.
    """

    def __init__(self, name: str, *, endpoint: str, user: str, secret: str) -> None:
        self.name, self.endpoint, self.user = name, endpoint, user
        self._s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=user,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(
                connect_timeout=CONNECT,
                read_timeout=ANSWER,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                s3={"addressing_style": "path"},
                # The lab's own doors are never reached through a proxy.
                proxies={},
            ),
        )

    @staticmethod
    def of(lab: Lab, role: str, *, holding: str = "bucket") -> Bucket:
        """The lab's bucket for finished data, as its `writer` or its `reader`; that of backups, as their `keeper`.

        Raises:
            LabError: the lab has no object store.

        """
        if "objects" not in lab.options:
            raise LabError(
                "this lab has no object store",
                remedy=f"Run: make install PROFILES={','.join((*lab.profiles, 'objects'))}",
            )
        options = lab.options["objects"]
        if holding not in options:
            raise LabError(f"this lab's object store holds no {holding}", remedy="Run: make install")
        user = options[role]
        secret = lab.secret(f"objects_{user}")
        return Bucket(options[holding], endpoint=lab.endpoint("objects").url, user=user, secret=secret)

    def read(self, key: str) -> Content | None:
        """What an object holds; None: there is none."""
        try:
            with self._asking(f"read {key}"):
                found = self._s3.get_object(Bucket=self.name, Key=key)
                return Content(found["Body"].read(), found["ETag"])
        except FileNotFoundError:
            return None

    def put(self, key: str, data: bytes) -> str:
        """Write an object, whatever is there; the name of its content.

        Raises:
            LabError: the bucket keeps no versions, too.

        """
        with self._asking(f"write {key}"):
            written = self._s3.put_object(Bucket=self.name, Key=key, Body=data)
        if written.get("VersionId", "null") == "null":
            raise LabError(f"the bucket {self.name} keeps no versions", remedy="Run: make install")
        return str(written["ETag"])

    def swap(self, key: str, data: bytes, known: str | None) -> None:
        """Write an object that still holds the content `known`, or that is still absent when that is None.

        Raises:
            ObjectChangedError: it does not; nothing was written. So it is, too, when a first attempt was written and
                its answer was lost: read the object again.

        """
        condition = {"IfNoneMatch": "*"} if known is None else {"IfMatch": known}
        with self._asking(f"write {key}"):
            self._s3.put_object(Bucket=self.name, Key=key, Body=data, **condition)

    def content(self, key: str) -> bytes:
        """What an object holds that must be there.

        Raises:
            LabError: it is not.

        """
        found = self.read(key)
        if found is None:
            raise LabError(f"{key} is not in the bucket {self.name}", remedy="Look for who removed it")
        return found.data

    def store(self, key: str, data: bytes) -> None:
        """Write an object of a bucket that need not keep versions."""
        with self._asking(f"write {key}"):
            self._s3.put_object(Bucket=self.name, Key=key, Body=data)

    def sizes(self, prefix: str) -> dict[str, int]:
        """Keys below a prefix with the bytes of their objects."""
        with self._asking(f"list {prefix}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            return {entry["Key"]: int(entry["Size"]) for page in pages for entry in page.get("Contents", [])}

    def send(self, key: str, file: Path) -> None:
        """Write a file as an object, in parts when it is large."""
        with self._asking(f"write {key}"):
            self._s3.upload_file(str(file), self.name, key, Config=_ONE_BY_ONE)

    def fetch(self, key: str, file: Path) -> None:
        """Write an object to a file."""
        with self._asking(f"read {key}"):
            self._s3.download_file(self.name, key, str(file), Config=_ONE_BY_ONE)

    def discard(self, key: str) -> None:
        """Remove an object; one that is gone already is no error."""
        with self._asking(f"remove {key}"):
            self._s3.delete_object(Bucket=self.name, Key=key)

    def versions(self, prefix: str) -> list[Version]:
        """All versions and marks below a prefix, those of a key from the newest to the oldest."""
        found: list[Version] = []
        with self._asking(f"list {prefix}"):
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix):
                for kind in ("Versions", "DeleteMarkers"):
                    found += [_version(entry, is_marker=kind == "DeleteMarkers") for entry in page.get(kind, [])]
        newest_first = sorted(found, key=lambda version: (version.is_latest, version.written_at), reverse=True)
        return sorted(newest_first, key=lambda version: version.key)

    def remove(self, version: Version) -> None:
        """Remove one version for good, or a mark; other versions of its key stay as they are."""
        with self._asking(f"remove {version.key}"):
            self._s3.delete_object(Bucket=self.name, Key=version.key, VersionId=version.version_id)

    def uploads(self, prefix: str) -> list[Upload]:
        """Uploads in parts that were begun below a prefix."""
        with self._asking(f"list uploads of {prefix}"):
            pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix)
            entries = [entry for page in pages for entry in page.get("Uploads", [])]
        return [Upload(entry["Key"], entry["UploadId"], entry["Initiated"]) for entry in entries]

    def abort(self, upload: Upload) -> None:
        """Give up an upload in parts."""
        with self._asking(f"abort the upload of {upload.key}"):
            self._s3.abort_multipart_upload(Bucket=self.name, Key=upload.key, UploadId=upload.upload_id)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn errors of the library into ours."""
        try:
            yield
        except ClientError as error:
            raise self._refusal(what, error) from error
        except Boto3Error as error:  # of files: it tells the others' error in words
            raise LabError(
                f"{self.user} cannot {what} in the bucket {self.name} ({error})", remedy="Try again"
            ) from error
        except BotoCoreError as error:
            raise ServiceDownError(
                f"the object store does not answer at {self.endpoint} ({error})", remedy="Run: quintet doctor"
            ) from error

    def _refusal(self, what: str, error: ClientError) -> Exception:
        code = str(error.response["Error"].get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        told = f"{self.user} cannot {what} in the bucket {self.name} at {self.endpoint}"
        if code in _MISSING:
            return FileNotFoundError(what)
        if code in _CHANGED:
            return ObjectChangedError(f"{told}: somebody else has written it meanwhile", remedy="Try again")
        if code in _REFUSED:
            return LabError(f"{told}: access is refused ({code})", remedy="Give users their rights: make install")
        if code == "NoSuchBucket":
            return LabError(f"{told}: there is no such bucket", remedy="Run: make install")
        if status >= 500:
            return ServiceDownError(f"{told}: it is out of order ({code})", remedy="Read: quintet logs objects")
        return LabError(f"{told}: {error}")


def _version(entry: dict[str, Any], *, is_marker: bool) -> Version:
    return Version(
        key=entry["Key"],
        version_id=entry["VersionId"],
        etag=entry.get("ETag", ""),
        is_latest=bool(entry["IsLatest"]),
        is_marker=is_marker,
        written_at=entry["LastModified"],
    )
