"""DAGs that look after the lab itself; they belong to no project."""

from __future__ import annotations

from quintet.catalogue.model import Dag

__all__ = ["OWNER", "PLATFORM_DAGS", "SLUG"]

SLUG = "platform"
OWNER = "platform"

PLATFORM_DAGS = (
    Dag("platform_backup_postgres", "Backup of PostgreSQL, with a restore drill and a copy in the object store"),
)
