"""The shop's price list in PostgreSQL: every version of every product, from which the streams get theirs.

It is only added to, and the database refuses anything else. So each version is captured as a new row, or as one that
was there when the capture began: a capture that begins anew, with a lost slot or after a fault, tells the same versions
again and misses none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from quintet.catalogue.ecommerce import PRICE_LIST
from quintet.cdc.database import connect
from quintet.errors import InputError
from quintet.settings import Lab

__all__ = ["END", "add", "add_end", "empty", "provide"]

#: From when on the row holds that says that no older version comes: no version of an input is newer.
END = datetime(2100, 1, 1, tzinfo=UTC)
#: Seconds for the table to be free for being emptied.
LOCKED = 60
_SCRIPT = Path(__file__).with_suffix(".sql")
#: Any number; two programs that make the table at once wait for each other.
_LOCK = 7_261_306
(_TABLE,) = PRICE_LIST.tables
_NAME = f"{PRICE_LIST.database_schema}.{_TABLE.name}"
_COLUMNS = tuple(column.name for column in _TABLE.columns)


def provide(lab: Lab) -> None:
    """Make what is missing of the table, the publication and the rights of who captures it.

    Raises:
        ServiceDownError: PostgreSQL does not answer.

    """
    with connect(lab, PRICE_LIST.database) as shop:
        shop.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        shop.execute(_SCRIPT.read_text(encoding="utf-8"))


def add(lab: Lab, versions: pa.Table) -> int:
    """Add the versions that are not in it, and behind them that no older one comes; all or nothing. How many it added.

    Nothing is added, and the end is not said again, where it holds all of them.

    Args:
        lab: the lab whose database it is.
        versions: the columns of the table, in the order in which their readers shall get them.

    Raises:
        InputError: one of them is in the list and says something else.
        ServiceDownError: PostgreSQL does not answer.

    """
    names = ", ".join(_COLUMNS)
    with connect(lab, PRICE_LIST.database) as shop:
        # Of two announcements of one list the second finds what the first has added.
        shop.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        shop.execute(f"create temporary table announced (place bigserial, like {_NAME}) on commit drop")
        with shop.cursor().copy(f"copy announced ({names}) from stdin") as copy:
            for batch in versions.select(_COLUMNS).to_batches(max_chunksize=20_000):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    copy.write_row([_plain(value) for value in row])
        _refuse_others(shop)
        added = shop.execute(
            f"insert into {_NAME} ({names}) select {names} from announced order by place on conflict do nothing"
        ).rowcount
        if added or _last_end(shop) is None:
            _add_end(shop)
        return int(added)


def add_end(lab: Lab) -> None:
    """Add a row that says once more, a millisecond later, that no older version comes. Raises ServiceDownError."""
    with connect(lab, PRICE_LIST.database) as shop:
        shop.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
        _add_end(shop)


def empty(lab: Lab) -> None:
    """Remove every row; the capture must have been made to forget, for it is told nothing of it.

    Raises:
        ServiceDownError: PostgreSQL does not answer, or somebody holds the table for a minute.

    """
    provide(lab)
    with connect(lab, PRICE_LIST.database) as shop:
        shop.execute(f"set local lock_timeout = '{LOCKED}s'")
        shop.execute(f"truncate {_NAME}")


def _refuse_others(shop: Any) -> None:
    """Raise InputError where the list says something else of a version that is announced."""
    rest = [name for name in _COLUMNS if name not in _TABLE.key]
    other = shop.execute(
        f"select product_id, valid_from from announced a join {_NAME} v using ({', '.join(_TABLE.key)}) "
        f"where ({', '.join(f'a.{name}' for name in rest)}) is distinct from "
        f"({', '.join(f'v.{name}' for name in rest)}) order by place limit 1"
    ).fetchone()
    if other is not None:
        raise InputError(
            f"the price list holds another version of product {other[0]} from {other[1]:%Y-%m-%d %H:%M:%S}",
            remedy="It is that of another input. Empty the project first: quintet run ecommerce --fresh --input …",
        )


def _last_end(shop: Any) -> datetime | None:
    found: datetime | None = shop.execute(f"select max(valid_from) from {_NAME} where product_id = 0").fetchone()[0]
    return found


def _add_end(shop: Any) -> None:
    last = _last_end(shop)
    at = END.replace(tzinfo=None) if last is None else last + timedelta(milliseconds=1)
    shop.execute(f"insert into {_NAME} ({', '.join(_COLUMNS)}) values (0, %s, '', '', '', 0, 0, 0)", [at])


def _plain(value: object) -> object:
    """A time without zone, as the table has it."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value
