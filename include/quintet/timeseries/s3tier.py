"""The S3 tier: blocks as objects, read by ranges; what finds series and chunks in them is kept here, too.

An object is written under a temporary key, its size is compared, then it is copied to its key: an upload that breaks
off leaves no half object under a block's name. It counts when the manifest names it, as in any tier; what a killed
process left is removed before the next move. The index of a block, a few per cent of it, is kept in the folder
`remote`: a store opens, lists series and prunes without a request, and S3 is asked for chunks alone.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from pyarrow import fs

from quintet.timeseries.block import Block, BlockFacts
from quintet.timeseries.blockbytes import MappedBytes
from quintet.timeseries.errors import CorruptionError, StoreError, TierError
from quintet.timeseries.files import writing_aside
from quintet.timeseries.remotebytes import Fetch, RemoteBytes, keep_index
from quintet.timeseries.s3settings import S3Settings
from quintet.timeseries.tiers import Tier

__all__ = ["S3Tier"]

_LOG = logging.getLogger(__name__)
_PART = 4 * 1024 * 1024
#: The greatest object that S3 copies in one request; a greater one is written under its own key at once.
_COPY = 5 * 1024**3
_OWNER = "OWNER"
_READERS = 8
_REFUSED = ("ACCESS_DENIED", "SIGNATURE", "ACCESS_KEY", "FORBIDDEN", "TOKEN", "UNAUTHORIZED")
_RESTORE = "Restore the block from a snapshot"


class S3Tier(Tier):
    """Objects below a prefix of a bucket, which belongs to one store alone: its mark is the object `OWNER`.

    remote: folder of this machine for the indexes of the blocks.
    """

    def __init__(self, name: str, settings: S3Settings, remote: Path) -> None:
        super().__init__(name)
        self.settings = settings
        self._remote = remote
        self._owned = False
        remote.mkdir(exist_ok=True)
        self._pool = ThreadPoolExecutor(_READERS, "s3")

    @cached_property
    def _files(self) -> fs.S3FileSystem:
        where = self.settings
        scheme, _, host = where.endpoint.partition("://")
        return fs.S3FileSystem(
            access_key=where.access_key,
            secret_key=where.secret_key,
            region=where.region,
            scheme=scheme,
            endpoint_override=host,
            connect_timeout=where.connect_seconds,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=where.attempts),
            tls_ca_file_path=str(where.ca_file) if where.ca_file else None,
        )

    def _key(self, name: str) -> str:
        return f"{self.settings.bucket}/{self.settings.prefix}/{name}"

    def place(self, name: str) -> str:
        """Where a block is, for messages."""
        return f"{name} in S3 at {self.settings.endpoint}, {self.settings.bucket}/{self.settings.prefix}"

    @contextmanager
    def _asking(self, name: str, what: str) -> Iterator[None]:
        """Turn errors of the library into ours."""
        try:
            yield
        except FileNotFoundError:
            raise CorruptionError(self.place(name), "the object is missing", remedy=_RESTORE) from None
        except OSError as error:
            text = str(error)
            if "NO_SUCH_KEY" in text:
                raise CorruptionError(self.place(name), "the object is missing", remedy=_RESTORE) from None
            for secret in (self.settings.secret_key, self.settings.access_key):
                text = text.replace(secret, "***")
            refused = any(word in text.upper().replace(" ", "_") for word in _REFUSED)
            remedy = (
                "Check access key, secret key and rights of the bucket in the S3 settings"
                if refused
                else "Look whether the server runs and is reached; blocks that lie elsewhere are read meanwhile"
            )
            why = "access is refused" if refused else "it is not reached"
            raise TierError(f"{self.place(name)}: cannot {what}, {why} ({text})", remedy=remedy) from error

    def put(self, source: Path) -> None:
        """Upload, compare sizes, give it its key; keep its index here."""
        name = source.name
        with self._asking(name, "write the block"):
            self._own()
            size = source.stat().st_size
            whole = size > _COPY
            key = self._key(name if whole else name + ".tmp")
            with source.open("rb") as read, self._files.open_output_stream(key) as write:
                while part := read.read(_PART):
                    write.write(part)
            found = self._files.get_file_info(key).size
            if found != size:
                raise TierError(f"{self.place(name)}: {found} of {size} bytes arrived", remedy="Move again")
            if not whole:
                self._files.copy_file(key, self._key(name))
                self._files.delete_file(key)
        keep_index(self._remote / name, MappedBytes(source))

    def _own(self) -> None:
        """Mark the prefix as this store's; refuse one with another's mark, whose blocks have the same names."""
        if self._owned:
            return
        mine = self._remote / _OWNER
        if not mine.exists():
            with writing_aside(mine) as file:
                file.write(uuid.uuid4().hex.encode())
        mark = mine.read_bytes()
        if self._files.get_file_info(self._key(_OWNER)).type == fs.FileType.NotFound:
            with self._files.open_output_stream(self._key(_OWNER)) as write:
                write.write(mark)
        with self._files.open_input_file(self._key(_OWNER)) as read:
            if read.read() != mark:
                where = self.settings
                raise StoreError(
                    f"S3 at {where.endpoint}, {where.bucket}/{where.prefix} belongs to another store",
                    remedy="Give each store a prefix of its own",
                )
        self._owned = True

    def open(self, facts: BlockFacts, size: int) -> Block:
        """The block by what the manifest knows of it; nothing is asked for."""
        kept = self._remote / facts.name
        return Block(
            RemoteBytes(self.place(facts.name), size, self._fetcher(facts.name), kept=kept, pool=self._pool), facts
        )

    def _fetcher(self, name: str) -> Fetch:
        opened: list[Any] = []  # one request less for each range

        def fetch(start: int, end: int) -> bytes:
            with self._asking(name, "read the block"):
                if not opened:
                    opened.append(self._files.open_input_file(self._key(name)))
                data: bytes = opened[0].read_at(end - start, start)
            if len(data) != end - start:
                raise CorruptionError(
                    self.place(name), f"the object ends after {start + len(data)} bytes", offset=start, remedy=_RESTORE
                )
            return data

        return fetch

    def fetch(self, name: str, target: Path) -> None:
        """Download to a new file."""
        with (
            self._asking(name, "read the block"),
            self._files.open_input_stream(self._key(name)) as read,
            writing_aside(target) as write,
        ):
            while part := read.read(_PART):
                write.write(part)

    def remove(self, name: str) -> None:
        """Delete the object, then what is kept of it here."""
        with self._asking(name, "remove the block"):
            if self._files.get_file_info(self._key(name)).type != fs.FileType.NotFound:
                self._files.delete_file(self._key(name))
        (self._remote / name).unlink(missing_ok=True)

    def names(self) -> set[str]:
        """Names of all blocks, those under temporary keys, too."""
        with self._asking("blocks", "list them"):
            found = self._files.get_file_info(fs.FileSelector(self._key(""), allow_not_found=True))
        return {info.base_name for info in found if info.base_name.endswith((".block", ".block.tmp"))}

    def sweep(self, named: set[str]) -> None:
        """Remove objects and indexes that the manifest does not name."""
        with self._asking("blocks", "list them"):
            self._own()
        for name in self.names() - named:
            _LOG.warning("%s: no manifest names it, it is removed", self.place(name))
            self.remove(name)
        for path in self._remote.glob("*.block*"):
            if path.name not in named:
                path.unlink(missing_ok=True)

    def prove(self) -> None:
        """Write an object of a name of its own, read it, remove it.

        Raises:
            TierError: S3 is not reached, or refuses.
            CorruptionError: what was written is not there.

        """
        name = f"prove-{uuid.uuid4().hex}"
        with self._asking(name, "write and read an object"):
            with self._files.open_output_stream(self._key(name)) as write:
                write.write(name.encode())
            with self._files.open_input_file(self._key(name)) as read:
                found = read.read()
            self._files.delete_file(self._key(name))
        if found != name.encode():
            raise CorruptionError(self.place(name), "another object was read than was written", remedy=_RESTORE)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)
