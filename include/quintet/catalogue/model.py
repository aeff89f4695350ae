"""Types of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "ChangeSource",
    "Cleanup",
    "Column",
    "Dag",
    "Layer",
    "Pii",
    "Profile",
    "Project",
    "Retention",
    "SourceTable",
    "Table",
    "Topic",
    "Writer",
]


class Layer(StrEnum):
    """Layer of the medallion, or what streams serve to people; also the first part of the schema name."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    LIVE = "live"


class Writer(StrEnum):
    """The one engine that writes a table."""

    DELTA_RS = "delta-rs"
    SPARK = "spark"
    DBT = "dbt"
    FLINK = "flink"


class Cleanup(StrEnum):
    """What becomes of old records of a topic: the newest of each key stays, or all go after a time."""

    COMPACT = "compact"
    DELETE = "delete"


class Pii(StrEnum):
    """Class of personal data in a column; a table has the highest of its columns."""

    NONE = "none"
    INDIRECT = "indirect"  # identifies only together with other data: an id, a town
    DIRECT = "direct"  # identifies by itself: a name, an address


@dataclass(frozen=True)
class Column:
    """One column.

    `type` is a Delta type name: string, long, integer, date, timestamp, boolean, double or decimal(p,s).
    """

    name: str
    type: str
    description: str
    pii: Pii = Pii.NONE
    nullable: bool = True


@dataclass(frozen=True)
class Retention:
    """How long rows are kept: so many days from the instant or day in a column on."""

    days: int
    column: str


@dataclass(frozen=True)
class Table:
    """One table; `key` is what is unique in it."""

    project: str
    layer: Layer
    name: str
    owner: str
    description: str
    writer: Writer
    columns: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    #: Columns that its source gains are added to it without a change here; they hold null for rows of before.
    is_open: bool = False
    #: Of a table that a stream only adds to: what is older is removed by the care for tables of streams. None: never.
    retention: Retention | None = None

    def __post_init__(self) -> None:
        if self.retention and self.retention.column not in {column.name for column in self.columns}:
            raise ValueError(f"{self.name}: rows are kept by {self.retention.column}, which it does not have")

    @property
    def schema(self) -> str:
        """Schema name, the same in every engine."""
        return f"{self.layer}_{self.project}"

    @property
    def catalog(self) -> str:
        """Trino catalog that holds it."""
        if self.layer is Layer.LIVE:
            return "postgres"
        return "iceberg" if self.writer in {Writer.DBT, Writer.FLINK} else "delta"

    @property
    def full_name(self) -> str:
        """Name in Trino: catalog.schema.table."""
        return f"{self.catalog}.{self.schema}.{self.name}"

    @property
    def location(self) -> str:
        """Folder below the lake's root."""
        return f"{self.catalog}/{self.schema}/{self.name}"

    @property
    def pii(self) -> Pii:
        """Highest class of its columns."""
        order = list(Pii)
        return max((column.pii for column in self.columns), key=order.index, default=Pii.NONE)


@dataclass(frozen=True)
class Topic:
    """One topic of Kafka.

    `key` names the fields of a record's key: all records of a key are in one partition, in their order, so the number
    of partitions of a topic with a key is never changed. `retention_hours` belongs to topics that are not compacted;
    `retention_bytes` (of a partition) stands in its place where records carry another time than that of their writing.
    `columns` are the fields of its records where no captured table declares them, in types of the lake and array<...>
    and struct<name:type,...> of them; records that are equal in the fields of `identity` are one and the same.
    """

    project: str
    name: str
    owner: str
    description: str
    partitions: int = 1
    cleanup: Cleanup = Cleanup.DELETE
    retention_hours: int | None = None
    retention_bytes: int | None = None
    key: tuple[str, ...] = ()
    has_dead_letters: bool = False
    columns: tuple[Column, ...] = ()
    identity: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Name of its values' schema in the registry."""
        return f"{self.name}-value"

    @property
    def key_subject(self) -> str:
        """Name of its keys' schema in the registry."""
        return f"{self.name}-key"

    @property
    def dead_letters(self) -> str:
        """Topic of the records that could not be read."""
        return f"{self.name}.dlq"


@dataclass(frozen=True)
class SourceTable:
    """One table of a database whose changes are captured, as the source declares it.

    `columns` have the types of the lake; `toasted` are those whose value the database leaves out of a change that does
    not touch it. `read_by` are the columns by whose order rows are read where the capture begins; none: as they lie.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    topic: Topic
    toasted: tuple[str, ...] = ()
    read_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeSource:
    """One database whose changes are captured: from where, through which publication and slot, into which topics.

    `deployed_by` is the command that makes the capture, or starts it again. `signs_schema` holds the tables that the
    capture writes itself: a sign of life, and requests to it. Records of a source that `is_flat` are the rows alone,
    under the key of their topic, with times in milliseconds: for tables that are only added to, whose records need not
    say what became of a row.
    """

    project: str
    name: str
    owner: str
    database: str
    database_schema: str
    publication: str
    slot: str
    tables: tuple[SourceTable, ...]
    heartbeats: Topic
    signals: Topic
    deployed_by: str
    #: Begin and end of the source's transactions; None: nobody reads them.
    transactions: Topic | None = None
    signs_schema: str = "capture"
    is_flat: bool = False

    @property
    def topics(self) -> tuple[Topic, ...]:
        """All topics that the capture writes."""
        told = (self.transactions,) if self.transactions else ()
        return (*(table.topic for table in self.tables), *told, self.heartbeats, self.signals)

    def table(self, name: str) -> SourceTable:
        """Table by name. Raises KeyError."""
        return {table.name: table for table in self.tables}[name]


@dataclass(frozen=True)
class Dag:
    """One DAG of a project."""

    dag_id: str
    description: str


@dataclass(frozen=True)
class Profile:
    """A group of services that is switched on together; memory is declared in the inventory's profiles file."""

    name: str
    description: str


@dataclass(frozen=True)
class Project:
    """One application project: a vertical with the same slug in every folder."""

    slug: str
    title: str
    question: str
    profiles: tuple[str, ...]
    dags: tuple[Dag, ...]
    tables: tuple[Table, ...]
    entry_dag: str
    topics: tuple[Topic, ...] = ()
    sources: tuple[ChangeSource, ...] = ()
