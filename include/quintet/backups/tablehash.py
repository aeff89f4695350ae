"""Hashes of the rows of whole tables, computed by the server that holds them."""

from __future__ import annotations

from dataclasses import dataclass

from quintet.backups.server import Server

__all__ = ["TableHash", "hashes"]

#: Bytes of a table, with its indexes, up to which its rows are hashed in a drill: a minute for all of them together.
LARGEST = 64 * 1024**2
#: Ordinary tables that are no part of the system, of which nothing is hidden from the superuser.
_TABLES = f"""
select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^(pg_|information_schema)'
  and pg_total_relation_size(c.oid) <= {LARGEST} order by 1
"""
_DATABASES = "select datname from pg_database where datallowconn and not datistemplate order by 1"


@dataclass(frozen=True)
class TableHash:
    """Rows of a table and the MD5 of them all, in the order of their own."""

    table: str
    rows: int
    md5: str


def hashes(server: Server) -> dict[str, TableHash]:
    """Hash of every table of every database, by database.schema.table; larger ones than `LARGEST` are left out."""
    found: dict[str, TableHash] = {}
    for (database,) in server.ask(_DATABASES):
        tables = [row[0] for row in server.ask(_TABLES, database)]
        if tables:
            rows = server.ask(" union all ".join(_hash(table) for table in tables), database)
            found |= {
                f"{database}.{name}": TableHash(f"{database}.{name}", int(count), md5) for name, count, md5 in rows
            }
    return found


def _hash(table: str) -> str:
    name = table.replace("'", "''")
    rows = f"select md5(t::text) as h from {table} t"
    return f"(select '{name}', count(*), md5(coalesce(string_agg(h, '' order by h), '')) from ({rows}) s)"
