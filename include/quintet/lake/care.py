"""Care for the tables of one project: fewer and ordered files, no remains, fresh statistics; no row changes.

Delta tables are cared for first, by delta-rs; the Iceberg tables after them, by Trino. One table that cannot be
cared for keeps none of the others from it. The result of the latest care is kept as the project's record `care`
(`quintet.runs.record`), that of a failed one too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from quintet.errors import ServiceDownError
from quintet.lake.deltacare import care_for_delta
from quintet.lake.icebergcare import care_for_iceberg, iceberg_tables
from quintet.lake.tables import delta_tables
from quintet.lake.trino import connect
from quintet.lake.upkeep import Round
from quintet.runs import record
from quintet.settings import Lab, lab_of

__all__ = ["RECORD", "RETENTION_HOURS", "care_tables"]

#: How long every version of a table can be read. Trino's Iceberg connector refuses less.
RETENTION_HOURS = 7 * 24
#: Name of the record that keeps the result.
RECORD = "care"


def care_tables(project: str, *, retention_hours: int = RETENTION_HOURS, lab_file: str | None = None) -> dict[str, Any]:
    """Bring the tables of a project (its slug) into shape.

    Returns {"project", "at", "changed": names of the tables that needed something, "tables": a row a table with rows,
    files, bytes and read_seconds `_before` and `_after`, and what was `done`, "errors": []}.

    Raises:
        ServiceDownError: Trino does not answer; the Delta tables are in shape.
        LabError: tables that could not be cared for; the others are in shape.

    """
    lab = lab_of(lab_file)
    retention = timedelta(hours=retention_hours)
    work = Round()
    work.do(delta_tables(project), lambda table: care_for_delta(lab, table, retention=retention))
    down = _care_for_iceberg(lab, project, retention, work)
    result = work.result(project, *([down] if down else []))
    record.write(lab, project, RECORD, result)
    work.end()
    if down:
        raise ServiceDownError(
            f"the Delta tables of {project} are in shape, its Iceberg tables were not cared for: {down.message}",
            remedy="Start Trino (quintet start trino) and run the care again",
        ) from down
    return result


def _care_for_iceberg(lab: Lab, project: str, retention: timedelta, work: Round) -> ServiceDownError | None:
    connection = connect(lab)
    try:
        tables = iceberg_tables(connection, project)
        work.do(tables, lambda name: care_for_iceberg(connection, name, retention=retention))
    except ServiceDownError as error:
        return error
    finally:
        connection.close()
    return None
