"""The catalogue: every project, table and DAG of the platform, declared once.

The README's projects table, the registration of tables in Trino, the creation of empty Delta tables, the contract
tests and the pages under `docs/` are generated from it.
"""

from quintet.catalogue.model import Column, Dag, Layer, Pii, Profile, Project, Table, Writer
from quintet.catalogue.registry import PROFILES, PROJECTS, project, table, tables

__all__ = [
    "PROFILES",
    "PROJECTS",
    "Column",
    "Dag",
    "Layer",
    "Pii",
    "Profile",
    "Project",
    "Table",
    "Writer",
    "project",
    "table",
    "tables",
]
