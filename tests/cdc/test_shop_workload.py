"""The workload against a PostgreSQL of its own: it counts what it does, and does all that a capture must carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg", reason="the streaming environment has it")

from postgres_server import enter, postgres_server
from quintet.catalogue.shop import SHOP
from quintet.lakehouse.shop import schema, workload
from quintet.lakehouse.shop.workload import Size, Workload

SCRIPT = Path(schema.__file__).with_name("schema.sql").read_text(encoding="utf-8")
#: Counts rows as a change log would: a key that changes is a row that goes and one that comes.
AUDIT = """
create table if not exists audit (entry text);
create or replace function audit() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and tg_table_name = 'products'
    and to_jsonb(new)->>'product_code' <> to_jsonb(old)->>'product_code'
  then insert into audit values ('products.d'), ('products.c');
  else insert into audit values (tg_table_name || '.' || replace(lower(left(tg_op, 1)), 'i', 'c'));
  end if;
  return null;
end $$;
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as found:
        yield found


@pytest.fixture
def shop(port: int) -> Iterator[Any]:
    """An empty shop whose changes are counted."""
    with enter(port) as connection:
        connection.execute("drop schema public cascade; create schema public; drop schema if exists capture cascade")
        connection.execute(SCRIPT)
        connection.execute(SCRIPT)  # a second time changes nothing and fails at nothing
        connection.execute(AUDIT)
        for table in SHOP.tables:
            connection.execute(
                f"create trigger audit after insert or update or delete on {table.name} for each row "
                "execute function audit()"
            )
        connection.commit()
        yield connection


def counted(shop: Any) -> Counter[str]:
    return Counter(row[0] for row in shop.execute("select entry from audit").fetchall())


def test_every_change_is_counted_and_every_kind_is_made(shop: Any) -> None:
    load = Workload(shop, seed=3)
    load.populate(Size(customers=30, products=20, orders=40))
    done = load.run(900, large=150)
    assert done.changes.total() >= 900
    assert counted(shop) == done.changes
    kinds = {name.split(".")[1] for name in done.changes}
    assert kinds == {"c", "u", "d"}
    assert {name.split(".")[0] for name in done.changes} == {table.name for table in SHOP.tables}


def test_the_same_seed_a_second_time_goes_on_with_the_shop(shop: Any) -> None:
    for _ in range(2):
        load = Workload(shop, seed=4)
        load.populate(Size(customers=10, products=10, orders=10))
        assert load.run(200).changes.total() >= 200


def test_the_same_seed_makes_the_same_changes(shop: Any) -> None:
    def rows() -> list[Any]:
        names = [column.name for column in SHOP.table("orders").columns if column.name != "updated_at"]
        return list(shop.execute(f"select {', '.join(names)} from orders order by 1").fetchall())

    found = []
    for _ in range(2):
        shop.execute("truncate customers, addresses, products, orders, order_lines, payments, audit")
        shop.commit()
        load = Workload(shop, seed=5)
        load.populate(Size(customers=10, products=10, orders=10))
        load.run(200)
        found.append((rows(), dict(load.done.changes)))
    assert found[0] == found[1]


def test_long_values_lie_apart_and_the_whole_old_row_is_logged(shop: Any) -> None:
    load = Workload(shop, seed=1)
    load.populate(Size(customers=5, products=5, orders=5))
    (shortest,) = shop.execute("select min(length(description)) from products").fetchone()
    assert shortest >= workload.LONG
    (size,) = shop.execute("select pg_relation_size(reltoastrelid) from pg_class where relname = 'products'").fetchone()
    assert size > 0
    found = shop.execute("select relname from pg_class where relreplident = 'f' order by 1").fetchall()
    assert {row[0] for row in found} == {table.name for table in SHOP.tables}


def test_the_catalogue_declares_the_columns_and_keys_of_the_database(shop: Any) -> None:
    types = {
        "bigint": "long",
        "integer": "integer",
        "text": "string",
        "uuid": "string",
        "boolean": "boolean",
        "double precision": "double",
        "date": "date",
        "timestamp with time zone": "timestamp",
    }
    for table in SHOP.tables:
        rows = shop.execute(
            "select column_name, data_type, is_nullable, numeric_precision, numeric_scale "
            "from information_schema.columns where table_schema = 'public' and table_name = %s "
            "order by ordinal_position",
            [table.name],
        ).fetchall()
        found = [
            (name, types.get(kind, f"decimal({precision},{scale})"), null == "YES")
            for name, kind, null, precision, scale in rows
        ]
        assert found == [(column.name, column.type, column.nullable) for column in table.columns], table.name
        keys = shop.execute(
            "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid "
            "and a.attnum = any(i.indkey) where i.indrelid = %s::regclass and i.indisprimary",
            [table.name],
        ).fetchall()
        assert {row[0] for row in keys} == set(table.key), table.name
