"""Publish gold for other teams: Parquet with Hive partitions in the object store. In the environment `spark`.

Readers take the files that the manifest names (`publishmanifest`); files never change, they are named after what they
hold. A publication

1. reads the manifest, then the versions of all objects in the folder, then gold;
2. writes the files that the manifest does not name, or that are not there as it names them;
3. exchanges the manifest, on the condition that it is still the one of step 1;
4. removes what was there in step 1 and is named no more: files of two generations ago, and what a killed run left.

Whoever is killed before step 3 has changed nothing for readers, and after it nothing that the next run does not end. Of
two at a time one wins step 3, and the other begins again. Step 4 removes single versions that were seen before step 3:
a file of the same name that somebody writes meanwhile is another version, and his step 3 fails or comes after ours, so
that no manifest names what is removed. A removal without a publication writes the manifest once more for that reason.

`python -m quintet.lakehouse.publish` says what is published; `publish` is the step of the DAG.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from quintet.call import tell
from quintet.catalogue.published import PUBLISHED, Publication, publication
from quintet.contracts import Contract
from quintet.errors import GateError
from quintet.lakehouse.publishmanifest import Manifest, Part, manifest_key, parse, succeed
from quintet.lakehouse.publishparts import Row, files
from quintet.objects import Bucket, Content, ObjectChangedError, Version
from quintet.products import Product, read_products
from quintet.settings import load_lab

__all__ = ["Keeping", "product_of", "publish", "publish_rows", "published", "statement"]

#: Attempts of one publication while others publish the same table.
ATTEMPTS = 4
#: Class of personal data that is not handed on.
DIRECT = "direct"

Read = Callable[[], Iterable[Row]]


@dataclass(frozen=True)
class Keeping:
    """How long former versions of objects, and uploads that nobody ends, are kept."""

    former: timedelta
    uploads: timedelta


def publish(*, table: str) -> dict[str, Any]:
    """Publish one gold table of the catalogue as Trino reads it; see `publish_rows`.

    Raises:
        GateError: its product does not allow it.
        LabError: the lab has no object store, the store refuses, or others kept publishing the same table.
        ServiceDownError: Trino or the object store does not answer.

    """
    from quintet.lake.trino import connect, stream

    lab = load_lab()
    bucket = Bucket.of(lab, "writer")
    options = lab.options["objects"]
    entry = publication(table)
    product = product_of(entry, read_products(), reader=options["reader"])
    keeping = Keeping(timedelta(days=options["former_days"]), timedelta(days=options["upload_days"]))
    connection = connect(lab)
    try:
        return publish_rows(
            bucket,
            entry,
            product.contract,
            lambda: stream(connection, statement(entry, product.contract)),
            keeping=keeping,
        )
    finally:
        connection.close()


def published(*, role: str = "reader") -> list[dict[str, Any]]:
    """What is published now, a table each; tables that never were are left out. Raises as `publish`."""
    bucket = Bucket.of(load_lab(), role)
    found = []
    for entry in PUBLISHED:
        manifest, _ = _manifest(bucket, entry)
        if manifest:
            found.append(_facts(bucket, entry, manifest))
    return found


def product_of(entry: Publication, products: Iterable[Product], *, reader: str) -> Product:
    """The product that promises a published table and lets its readers in.

    Raises:
        GateError: there is none, it does not name the role `reader`, or it promises what identifies a person.

    """
    for product in products:
        if product.table != entry.source:
            continue
        if reader not in {access.role for access in product.access}:
            raise GateError(
                f"the contract of the product {product.name} does not let {reader} read {entry.source}",
                remedy=f"Ask {product.contract.owner}: a role in contracts/products/{product.name}.odcs.yaml",
            )
        personal = [one.name for one in product.contract.promises if one.classification == DIRECT]
        if personal:
            raise GateError(
                f"{entry.source} is not published: {', '.join(personal)} identifies persons",
                remedy="Publish a product without it",
            )
        return product
    raise GateError(
        f"no data product promises {entry.source}",
        remedy="Make one (quintet product new), or take the table out of quintet.catalogue.published",
    )


def statement(entry: Publication, contract: Contract) -> str:
    """What is asked of Trino: the promised columns, in the order of partition and key."""
    names = [promise.name for promise in contract.promises]
    order = dict.fromkeys([entry.column, *(contract.key or names)])
    return f"SELECT {_quoted(names)} FROM {entry.source} ORDER BY {_quoted(order)}"


def publish_rows(
    bucket: Bucket, entry: Publication, contract: Contract, read: Read, *, keeping: Keeping
) -> dict[str, Any]:
    """Publish rows as the contents of a table.

    Args:
        bucket: where to, as its writer.
        entry: table and partitions.
        contract: the columns.
        read: gives the rows in the order of `statement`; called again when another publication came between.
        keeping: what is removed of versions that nobody reads.

    Returns the facts of what is published (`table`, `publication_id`, `location`, `contract_version`, `row_count`,
    `object_count`, `bytes`, `published_at`) and what was done (`changed`, `written`, `removed`).

    Raises:
        InputError: rows are not as promised; nothing has changed for readers.
        ObjectChangedError: others kept publishing the same table.

    """
    for _ in range(ATTEMPTS - 1):
        try:
            return _publish(bucket, entry, contract, read, keeping)
        except ObjectChangedError:
            continue  # what the other has read may be older than what is there now: begin from the beginning
    return _publish(bucket, entry, contract, read, keeping)


def _publish(bucket: Bucket, entry: Publication, contract: Contract, read: Read, keeping: Keeping) -> dict[str, Any]:
    key = manifest_key(entry)
    # Order that must not change: see the description of the module.
    current, known = _manifest(bucket, entry)
    seen = bucket.versions(entry.prefix)
    parts, written = _write(bucket, entry, contract, read, current, seen)
    now = datetime.now(UTC)
    manifest = succeed(current, entry, contract, parts, now)
    kept = {key, *manifest.keys, *manifest.former}
    doomed = [version for version in seen if version.key not in kept]
    changed = manifest is not current
    if changed or doomed:
        made = manifest if changed else manifest.revised()
        bucket.swap(key, made.as_json(), known.etag if known else None)
    doomed += _outlived([version for version in seen if version.key in kept], now - keeping.former)
    for version in doomed:
        bucket.remove(version)
    for upload in bucket.uploads(entry.prefix):
        if upload.begun_at < now - keeping.uploads:
            bucket.abort(upload)
    return {**_facts(bucket, entry, manifest), "changed": changed, "written": written, "removed": len(doomed)}


def _manifest(bucket: Bucket, entry: Publication) -> tuple[Manifest | None, Content | None]:
    key = manifest_key(entry)
    content = bucket.read(key)
    return (parse(content.data, f"{bucket.name}/{key}") if content else None), content


def _write(
    bucket: Bucket,
    entry: Publication,
    contract: Contract,
    read: Read,
    current: Manifest | None,
    seen: list[Version],
) -> tuple[list[Part], int]:
    """Files of the rows, and how many had to be written."""
    there = {version.key: version.etag for version in seen if version.is_latest and not version.is_marker}
    # A file that the manifest does not name may be one that somebody is about to remove: it is written again.
    whole = {part.key: part for part in (current.parts if current else ()) if there.get(part.key) == part.etag}
    parts, written = [], 0
    for file in files(read(), entry, contract.promises):
        part = whole.get(file.key)
        if part is None:
            etag = bucket.put(file.key, file.data)
            part = Part(file.key, file.value, file.rows, len(file.data), etag)
            written += 1
        parts.append(part)
    return parts, written


def _outlived(versions: list[Version], until: datetime) -> list[Version]:
    """Versions that another took the place of before an instant; removal marks that nothing is behind any more.

    What the rule of the bucket says, done here: the store applies its rules only where a worker of it runs.
    """
    gone = {older for newer, older in pairwise(versions) if newer.key == older.key and newer.written_at < until}
    left = [version for version in versions if version not in gone]
    behind = {version.key for version in left if not version.is_latest}
    marks = [version for version in left if version.is_marker and version.is_latest and version.key not in behind]
    return [*gone, *(mark for mark in marks if mark.written_at < until)]


def _facts(bucket: Bucket, entry: Publication, manifest: Manifest) -> dict[str, Any]:
    return {
        "table": manifest.table,
        "publication_id": manifest.publication_id,
        "location": f"s3://{bucket.name}/{entry.prefix}",
        "contract_version": manifest.contract_version,
        "row_count": manifest.rows,
        "object_count": len(manifest.parts),
        "bytes": sum(part.bytes for part in manifest.parts),
        "published_at": manifest.published_at,
    }


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


if __name__ == "__main__":
    sys.exit(tell(published))
