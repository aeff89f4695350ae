"""Rows of a published table as Parquet files, one partition after the other, named after what they hold.

The same rows in the same order make the same bytes, and so the same names, as long as pyarrow is of the same release.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from quintet.catalogue.published import Publication, Split
from quintet.contracts import Promise
from quintet.errors import InputError
from quintet.lake.arrowtypes import arrow_type

__all__ = ["NULL", "File", "Row", "files"]

#: Rows of one file at most.
ROWS = 1_000_000
#: What stands in the path for a partition of nulls. Source: Hive, hive.exec.default.partition.name.
NULL = "__HIVE_DEFAULT_PARTITION__"
_REMEDY = "Correct the model, or agree on another version of the contract"

Row = Sequence[Any]


@dataclass(frozen=True)
class File:
    """One Parquet file; `value` is that of its partition."""

    key: str
    value: str | None
    rows: int
    data: bytes


def files(
    rows: Iterable[Row], publication: Publication, promises: Sequence[Promise], *, limit: int = ROWS
) -> Iterator[File]:
    """Files of rows that come in the order of their partitions, with the columns that were promised.

    Raises:
        InputError: a row cannot be in a partition, or is not as promised.

    """
    names = [promise.name for promise in promises]
    place = names.index(publication.column)
    for value, group in groupby(rows, key=lambda row: _value(publication, row[place])):
        while chunk := list(islice(group, limit)):
            data = _parquet(chunk, publication, promises)
            digest = hashlib.sha256(data).hexdigest()[:32]
            yield File(f"{_folder(publication, value)}part-{digest}.parquet", value, len(chunk), data)


def _value(publication: Publication, found: Any) -> str | None:
    if found is None:
        return None
    if publication.split is Split.MONTH:
        return f"{found:%Y-%m}"
    if found in {"", NULL}:
        raise InputError(
            f"{publication.source}: {publication.column} holds {found!r}, of which Hive makes no partition",
            remedy="Correct the model, or publish the table by another column",
        )
    return str(found)


def _folder(publication: Publication, value: str | None) -> str:
    return f"{publication.prefix}{publication.partition}={NULL if value is None else quote(value, safe='')}/"


def _parquet(rows: Sequence[Row], publication: Publication, promises: Sequence[Promise]) -> bytes:
    arrays, fields = [], []
    for promise, values in zip(promises, zip(*rows, strict=True), strict=True):
        if promise.name == publication.partition:
            continue  # it is in the path, as Hive has it
        field = pa.field(promise.name, arrow_type(promise.type), nullable=not promise.is_required)
        if promise.is_required and None in values:
            told = f"{publication.source}: {promise.name} is promised and holds null"
            raise InputError(told, remedy=_REMEDY)
        try:
            arrays.append(pa.array(values, field.type))
        except pa.ArrowException as error:
            told = f"{publication.source}: {promise.name} is not {promise.type} as promised ({error})"
            raise InputError(told, remedy=_REMEDY) from error
        fields.append(field)
    kept = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), kept, compression="zstd")
    return kept.getvalue()
