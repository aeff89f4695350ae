"""Lineage: which table and column is made of which others, by which job, since when; told as OpenLineage events.

Programs tell what they read and wrote (`emit`), the collector keeps it in PostgreSQL (`store`), `graph` answers.
"""

from quintet.lineage.model import Flow, Kind, Link

__all__ = ["Flow", "Kind", "Link"]
