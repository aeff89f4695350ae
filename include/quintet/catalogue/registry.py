"""What the platform holds: the list of projects and profiles, and look-ups by name."""

from __future__ import annotations

from quintet.catalogue.lakehouse import LAKEHOUSE
from quintet.catalogue.model import Profile, Project, Table
from quintet.catalogue.timeseries import TIMESERIES
from quintet.errors import QuintetError

__all__ = ["PROFILES", "PROJECTS", "project", "table", "tables"]

PROFILES = (
    Profile("core", "PostgreSQL and Airflow"),
    Profile("lakehouse", "core, Spark, Trino and dbt"),
    Profile("streaming", "core, Kafka, schema registry, Kafka Connect and Flink"),
    Profile("timeseries", "core and the time-series database"),
)

PROJECTS = (LAKEHOUSE, TIMESERIES)


def project(slug: str) -> Project:
    """Project by slug. Raises QuintetError that lists the known ones."""
    for candidate in PROJECTS:
        if candidate.slug == slug:
            return candidate
    known = ", ".join(candidate.slug for candidate in PROJECTS)
    raise QuintetError(f"there is no project '{slug}'", remedy=f"Known projects: {known}")


def tables(slug: str | None = None) -> tuple[Table, ...]:
    """All tables, or those of one project."""
    chosen = PROJECTS if slug is None else (project(slug),)
    return tuple(entry for candidate in chosen for entry in candidate.tables)


def table(full_name: str) -> Table:
    """Table by its name in Trino (catalog.schema.table). Raises QuintetError."""
    for entry in tables():
        if entry.full_name == full_name:
            return entry
    raise QuintetError(f"there is no table '{full_name}' in the catalogue", remedy="List them with: quintet tables")
