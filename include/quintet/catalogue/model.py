"""Types of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Column", "Dag", "Layer", "Pii", "Profile", "Project", "Table", "Writer"]


class Layer(StrEnum):
    """Layer of the medallion; also the first part of the schema name."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class Writer(StrEnum):
    """The one engine that writes a table."""

    DELTA_RS = "delta-rs"
    SPARK = "spark"
    DBT = "dbt"


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

    @property
    def schema(self) -> str:
        """Schema name, the same in every engine."""
        return f"{self.layer}_{self.project}"

    @property
    def catalog(self) -> str:
        """Trino catalog that holds it."""
        return "iceberg" if self.writer is Writer.DBT else "delta"

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
