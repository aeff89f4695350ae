"""What the platform holds: the list of projects and profiles, and look-ups by name."""

from __future__ import annotations

from quintet.catalogue.ecommercebatch import ECOMMERCE
from quintet.catalogue.lakehouse import LAKEHOUSE
from quintet.catalogue.model import ChangeSource, Profile, Project, Table, Topic
from quintet.catalogue.timeseries import TIMESERIES
from quintet.errors import QuintetError

__all__ = ["PROFILES", "PROJECTS", "project", "source", "table", "tables", "topic", "topics"]

PROFILES = (
    Profile("core", "PostgreSQL and Airflow"),
    Profile("lakehouse", "core, Spark, Trino and dbt"),
    Profile("streaming", "core, Kafka, schema registry, Kafka Connect and Flink"),
    Profile("objects", "core and an object store with the API of S3"),
    Profile("search", "core, a search cluster and Redis"),
    Profile("dashboards", "core, lakehouse and Superset with the dashboards of the projects"),
    Profile("monitoring", "core, Prometheus, Alertmanager and what they ask"),
    Profile("timeseries", "core and the time-series database"),
    Profile("replicas", "timeseries, streaming and three nodes that replicate a database through Kafka"),
)

PROJECTS = (LAKEHOUSE, TIMESERIES, ECOMMERCE)


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


def topics(slug: str | None = None) -> tuple[Topic, ...]:
    """All topics, or those of one project, without the topics of dead letters."""
    chosen = PROJECTS if slug is None else (project(slug),)
    return tuple(entry for candidate in chosen for entry in candidate.topics)


def topic(name: str) -> Topic:
    """Topic by its name. Raises QuintetError."""
    for entry in topics():
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in topics())
    raise QuintetError(f"there is no topic '{name}' in the catalogue", remedy=f"Known topics: {known}")


def source(name: str) -> ChangeSource:
    """Source of captured changes by its name. Raises QuintetError."""
    known = {entry.name: entry for candidate in PROJECTS for entry in candidate.sources}
    if name not in known:
        raise QuintetError(f"there is no source '{name}' of changes", remedy=f"Known sources: {', '.join(known)}")
    return known[name]
