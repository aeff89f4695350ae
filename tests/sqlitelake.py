"""Tables that answer statements of Trino which SQLite understands, with the types that Trino would tell."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from quintet.ecommerce.compared import text
from quintet.errors import LabError

__all__ = ["SqliteLake"]

#: Catalog and schema before the name of a table: the names are unique without them.
_PLACE = re.compile(r"\b(?:delta|iceberg)\.\w+\.")


class _Sum:
    """Exact, where SQLite would make a number with a binary fraction of money."""

    def __init__(self) -> None:
        self.total: Decimal | None = None

    def step(self, value: Any) -> None:
        if value is not None:
            self.total = (self.total or Decimal(0)) + Decimal(str(value))

    def finalize(self) -> str | None:
        return None if self.total is None else text(self.total)


class _CountIf:
    def __init__(self) -> None:
        self.count = 0

    def step(self, value: Any) -> None:
        self.count += bool(value)

    def finalize(self) -> int:
        return self.count


class SqliteLake:
    """A few tables, put there by their bare names; `damage` is a statement that changes one."""

    def __init__(self) -> None:
        sqlite3.register_converter("FLAG", lambda value: bool(int(value)))
        self._database = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES)
        self._database.create_aggregate("sum", 1, _Sum)  # type: ignore[arg-type]
        self._database.create_aggregate("count_if", 1, _CountIf)  # type: ignore[arg-type]

    def put(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Make a table of rows."""
        given = [[_stored(value) for value in row] for row in rows]
        kinds = [
            "FLAG" if any(isinstance(value, bool) for value in column) else "" for column in zip(*given, strict=True)
        ] or [""] * len(columns)
        described = ", ".join(f'"{column}" {kind}' for column, kind in zip(columns, kinds, strict=True))
        self._database.execute(f'create table "{name}" ({described})')
        self._database.executemany(f'insert into "{name}" values ({", ".join("?" * len(columns))})', given)

    def damage(self, statement: str) -> None:
        """Change rows; within `undo`, until then."""
        changed = self._database.execute(statement).rowcount
        assert changed, f"nothing was changed: {statement}"

    def undo(self) -> None:
        """Take back what was damaged."""
        self._database.rollback()

    def keep(self) -> None:
        """Everything up to now stays."""
        self._database.commit()

    def __call__(self, statement: str) -> list[list[Any]]:
        try:
            return [list(row) for row in self._database.execute(_PLACE.sub("", statement)).fetchall()]
        except sqlite3.OperationalError as error:
            raise LabError(f"refused: {error}") from error


def _stored(value: Any) -> Any:
    return text(value) if isinstance(value, (Decimal, datetime, date)) else value
