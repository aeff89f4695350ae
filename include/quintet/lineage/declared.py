"""Flows that the catalogue declares: files landed in bronze, and a database's changes on their way to the lake.

Landing and capture copy what they are given column by column, so that what is declared is what is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from quintet.catalogue import PROJECTS, ChangeSource, SourceTable, Table, Writer, tables
from quintet.lineage.model import Flow, Kind, Link
from quintet.lineage.names import files, topic

__all__ = ["captures", "of_feed"]


def of_feed(table: Table, feed: str, columns: Mapping[str, str], names: Iterable[str] = ()) -> Flow:
    """Files of a feed into their bronze table.

    Args:
        table: the bronze table.
        feed: name of the feed.
        columns: header of the files to columns of the table.
        names: files that were landed this time.

    """
    source = files(table.project, feed)
    read = tuple(sorted(names))
    return Flow(
        job=f"land.{table.project}.{feed}",
        inputs=(source,),
        outputs=(table.full_name,),
        links=tuple(
            Link(source, header, table.full_name, column, Kind.IDENTITY) for header, column in sorted(columns.items())
        ),
        description=f"Lands the files of the feed {feed} as they were received",
        owner=table.owner,
        parts={source: read} if read else {},
    )


def captures() -> list[Flow]:
    """Capture of each source, landing of its changes in the change log, and its copies in Delta.

    The change log holds whole rows as text; links of the copies go past it, from a column of the topic to the column of
    the copy.
    """
    return [flow for project in PROJECTS for source in project.sources for flow in _of_source(source)]


def _of_source(source: ChangeSource) -> Iterator[Flow]:
    database = source.name.rpartition(".")[2]
    yield Flow(
        job=f"connect.{source.name}",
        inputs=tuple(_origin(source, table) for table in source.tables),
        outputs=tuple(topic(table.topic.name) for table in source.tables),
        links=tuple(
            Link(_origin(source, table), column.name, topic(table.topic.name), column.name, Kind.IDENTITY)
            for table in source.tables
            for column in table.columns
        ),
        description=f"Captures the changes of the database {source.database}",
        owner=source.owner,
    )
    mine = {table.full_name: table for table in tables(source.project)}
    log = mine.get(f"delta.bronze_{source.project}.{database}_changes")
    if log is None:
        return
    yield Flow(
        job=f"land.{source.name}",
        inputs=tuple(topic(table.topic.name) for table in source.tables),
        outputs=(log.full_name,),
        links=tuple(
            Link(topic(table.topic.name), column.name, log.full_name, part, Kind.TRANSFORMATION)
            for table in source.tables
            for column in table.columns
            for part in (("row", "key") if column.name in table.key else ("row",))
        ),
        description="Lands every change in the change log, once",
        owner=log.owner,
    )
    for table in source.tables:
        for suffix in ("", "_history"):
            copy = mine.get(f"delta.silver_{source.project}.{database}_{table.name}{suffix}")
            if copy is not None and copy.writer is Writer.SPARK:
                yield _copy(source, table, log, copy)


def _copy(source: ChangeSource, table: SourceTable, log: Table, copy: Table) -> Flow:
    names = {column.name for column in table.columns}
    origin = topic(table.topic.name)
    return Flow(
        job=f"merge.{source.project}.{copy.name}",
        inputs=(log.full_name,),
        outputs=(copy.full_name,),
        links=tuple(
            Link(origin, column.name, copy.full_name, column.name, Kind.IDENTITY)
            for column in copy.columns
            if column.name in names
        ),
        description=f"Merges the changes of {table.name} from the change log",
        owner=copy.owner,
    )


def _origin(source: ChangeSource, table: SourceTable) -> str:
    return f"postgres.{source.database_schema}.{table.name}"
