"""The catalogue: every project, table and DAG of the platform, declared once.

The README's projects table, the registration of tables in Trino, the creation of empty Delta tables, the contract
tests and the pages under `docs/` are generated from it.
"""

from quintet.catalogue.model import (
    ChangeSource,
    Cleanup,
    Column,
    Dag,
    Layer,
    Pii,
    Profile,
    Project,
    Retention,
    SourceTable,
    Table,
    Topic,
    Writer,
)
from quintet.catalogue.platform import PLATFORM_DAGS
from quintet.catalogue.registry import PROFILES, PROJECTS, project, source, table, tables, topic, topics

__all__ = [
    "PLATFORM_DAGS",
    "PROFILES",
    "PROJECTS",
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
    "project",
    "source",
    "table",
    "tables",
    "topic",
    "topics",
]
