"""A workload that changes the shop's database: `python -m quintet.lakehouse.shop.workload`, environment `streaming`.

Every kind of change that a capture must carry: inserts, updates, deletes with what hangs on them, changed keys, long
values that an update leaves alone, corrections that come late, large transactions, and such as are taken back.
The same seed over the same database makes the same changes; the database's clock alone differs.

What was done is counted where it is done, in the operations of a change log (c, u, d), and written down with the places
in the database's log where it began and ended.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from quintet.call import tell
from quintet.catalogue.shop import SHOP
from quintet.cdc.database import connect
from quintet.lakehouse.shop import schema
from quintet.settings import Lab, load_lab

__all__ = ["Done", "Size", "Workload", "main", "work"]

SEGMENTS = ("private", "trade", "wholesale", "charity")
CATEGORIES = ("kitchen", "garden", "gifts", "lighting", "stationery", "toys")
PLACES = (("London", "GB"), ("Leeds", "GB"), ("Köln", "DE"), ("Málaga", "ES"), ("Orléans", "FR"), ("Kobe", "JP"))
GIVEN = ("Ada", "Björn", "Chloé", "Dilip", "Elif", "Finn", "Gráinne", "Hana", "Íñigo", "Joana")
FAMILY = ("Archer", "Baker", "Cartwright", "Dyer", "Fletcher", "Mason", "Núñez", "Sawyer", "Weaver")
_LETTERS = "abcdefghijklmnopqrstuvwxyz      "
#: First instant of the made-up world.
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
#: Bytes above which PostgreSQL stores a value apart.
LONG = 2600


@dataclass(frozen=True)
class Size:
    """Rows that an empty shop starts with."""

    customers: int = 200
    products: int = 120
    orders: int = 400


@dataclass
class Done:
    """What a workload did: changes by table and operation, and the piece of the database's log that holds them."""

    changes: Counter[str] = field(default_factory=Counter)
    transactions: int = 0
    first_lsn: int = 0
    last_lsn: int = 0
    seconds: float = 0.0

    def add(self, table: str, operation: str, rows: int = 1) -> None:
        """Count rows of one operation: c, u or d."""
        if rows:
            self.changes[f"{table}.{operation}"] += rows

    def as_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "changes": dict(sorted(self.changes.items())),
            "total": self.changes.total(),
            "transactions": self.transactions,
            "first_lsn": self.first_lsn,
            "last_lsn": self.last_lsn,
            "seconds": round(self.seconds, 3),
        }


class Workload:
    """Makes changes through one connection, which is committed after each transaction."""

    def __init__(self, connection: Any, seed: int) -> None:
        self._sql = connection
        self._seed = seed
        self._random = Random(seed)  # noqa: S311  # not for secrets
        self.done = Done()
        self._kinds: tuple[tuple[Callable[[], None], int], ...] = (
            (self._order, 34),
            (self._pay, 22),
            (self._ship, 10),
            (self._customer, 6),
            (self._change_customer, 10),
            (self._move, 5),
            (self._reprice, 9),
            (self._describe, 2),
            (self._product, 2),
            (self._recode, 2),
            (self._delete_order, 4),
            (self._delete_customer, 1),
            (self._take_back, 3),
        )
        self._read()

    def populate(self, size: Size) -> None:
        """Fill an empty shop, in one transaction; a shop with customers is left as it is."""
        if self._customers:
            return
        for _ in range(size.products):
            self._product()
        for _ in range(size.customers):
            self._customer()
        for _ in range(size.orders):
            self._order()
        self._commit()

    def run(self, changes: int, *, rate: float = 0.0, large: int = 0) -> Done:
        """Make transactions until so many changes are done.

        Args:
            changes: changes at least.
            rate: changes a second at most; 0 for as fast as the database takes them.
            large: rows of one large transaction in the middle; 0 for none.

        """
        begun, before, half = time.monotonic(), self.done.changes.total(), changes // 2
        actions, weights = zip(*self._kinds, strict=True)
        while (made := self.done.changes.total() - before) < changes:
            if large and made >= half:
                self._raise_prices(large)
                large = 0
            self._random.choices(actions, weights)[0]()
            self._commit()
            if rate and (ahead := (made / rate) - (time.monotonic() - begun)) > 0:
                time.sleep(min(ahead, 1.0))
        return self.done

    def _read(self) -> None:
        def numbers(statement: str) -> list[Any]:
            return [row[0] for row in self._sql.execute(statement).fetchall()]

        self._customers = numbers("select customer_id from customers order by 1")
        self._products = numbers("select product_code from products order by 1")
        self._orders = numbers("select order_id from orders order by 1")
        self._next = {
            name: numbers(f"select coalesce(max({name}_id), 0) + 1 from {table}")[0]
            for name, table in (("customer", "customers"), ("address", "addresses"), ("order", "orders"))
        }
        # A code that was changed or deleted is not given again in this run; the highest that is there is enough.
        self._next["product"] = 1 + max((int(code.rpartition("-")[2]) for code in self._products), default=0)

    def _commit(self) -> None:
        self._sql.commit()
        self.done.transactions += 1

    def _number(self, kind: str) -> int:
        given = self._next[kind]
        self._next[kind] = given + 1
        return int(given)

    def _money(self, top: int) -> Decimal:
        return Decimal(self._random.randrange(100, top * 100)).scaleb(-2)

    def _long_text(self) -> str:
        return "".join(self._random.choices(_LETTERS, k=LONG + self._random.randrange(2000)))

    def _instant(self) -> datetime:
        return EPOCH + timedelta(seconds=self._random.randrange(300 * 86_400))

    def _insert(self, table: str, *values: Any) -> None:
        columns = ", ".join(column.name for column in SHOP.table(table).columns[: len(values)])
        marks = ", ".join(["%s"] * len(values))
        self._sql.execute(f"insert into {table} ({columns}) values ({marks})", values)
        self.done.add(table, "c")

    def _update(self, table: str, statement: str, *values: Any) -> int:
        rows = int(self._sql.execute(f"update {table} set {statement}", values).rowcount)
        self.done.add(table, "u", rows)
        return rows

    def _count(self, statement: str, *values: Any) -> int:
        return int(self._sql.execute(f"select count(*) from {statement}", values).fetchone()[0])

    def _customer(self) -> None:
        number = self._number("customer")
        name = f"{self._random.choice(GIVEN)} {self._random.choice(FAMILY)}"
        mail = f"{name.split()[0].lower()}.{number}@example.org"
        segment = self._random.choice(SEGMENTS)
        self._insert("customers", number, name, mail, segment, self._money(5000), True, self._instant())
        self._customers.append(number)
        self._address(number)

    def _address(self, customer: int) -> None:
        city, country = self._random.choice(PLACES)
        street = f"{self._random.randrange(1, 200)} High Street" if self._random.random() < 0.9 else None
        since = date(2026, 1, 1) + timedelta(days=self._random.randrange(300))
        kind = self._random.choice(("billing", "delivery"))
        code = f"{self._random.randrange(10_000, 99_999)}"
        self._insert("addresses", self._number("address"), customer, kind, street, city, code, country, since)

    def _product(self) -> None:
        code = f"P-{self._number('product'):06d}"
        weight = round(self._random.uniform(0.05, 20), 3) if self._random.random() < 0.8 else None
        category = self._random.choice(CATEGORIES)
        self._insert("products", code, f"{category} {code}", self._long_text(), category, self._money(300), weight)
        self._products.append(code)

    def _order(self) -> None:
        number, at = self._number("order"), self._instant()
        lines = [
            (self._random.choice(self._products), self._random.randrange(1, 12), self._money(300))
            for _ in range(self._random.randrange(1, 5))
        ]
        total = sum((quantity * price for _, quantity, price in lines), Decimal(0))
        self._insert("orders", number, self._random.choice(self._customers), "placed", total, at)
        for place, line in enumerate(lines, 1):
            self._insert("order_lines", number, place, *line)
        # Of the order, which is new: drawn by the seed alone it would be there when the seed comes a second time.
        payment = uuid.uuid5(uuid.NAMESPACE_OID, f"payment of order {number}, seed {self._seed}")
        method = self._random.choice(("card", "transfer", "voucher"))
        self._insert("payments", payment, number, method, total, "open", None)
        self._orders.append(number)

    def _pay(self) -> None:
        order = self._random.choice(self._orders)
        if self._update(
            "orders", "status = 'paid', updated_at = now() where order_id = %s and status = 'placed'", order
        ):
            at = self._instant()
            self._update("payments", "status = 'done', paid_at = %s where order_id = %s and status = 'open'", at, order)

    def _ship(self) -> None:
        order = self._random.choice(self._orders)
        self._update("orders", "status = 'shipped', updated_at = now() where order_id = %s and status = 'paid'", order)

    def _change_customer(self) -> None:
        # The instant of effect goes back and forth: some changes are told late, some correct what was told before.
        self._update(
            "customers",
            "segment = %s, credit_limit = %s, effective_at = %s, updated_at = now() where customer_id = %s",
            self._random.choice(SEGMENTS),
            self._money(5000),
            self._instant(),
            self._random.choice(self._customers),
        )

    def _move(self) -> None:
        self._address(self._random.choice(self._customers))

    def _reprice(self) -> None:
        code = self._random.choice(self._products)
        self._update("products", "list_price = %s, updated_at = now() where product_code = %s", self._money(300), code)

    def _describe(self) -> None:
        code = self._random.choice(self._products)
        self._update("products", "description = %s where product_code = %s", self._long_text(), code)

    def _recode(self) -> None:
        """Change a key: in the log the old row goes and a new one comes, and the lines that name it change."""
        old = self._random.choice(self._products)
        new = f"P-{self._number('product'):06d}"
        lines = self._count("order_lines where product_code = %s", old)
        self._sql.execute("update products set product_code = %s where product_code = %s", [new, old])
        self.done.add("products", "d")
        self.done.add("products", "c")
        self.done.add("order_lines", "u", lines)
        self._products[self._products.index(old)] = new

    def _delete_order(self) -> None:
        order = self._orders.pop(self._random.randrange(len(self._orders)))
        self.done.add("order_lines", "d", self._count("order_lines where order_id = %s", order))
        self.done.add("payments", "d", self._count("payments where order_id = %s", order))
        self._sql.execute("delete from orders where order_id = %s", [order])
        self.done.add("orders", "d")

    def _delete_customer(self) -> None:
        customer = self._customers.pop(self._random.randrange(len(self._customers)))
        self.done.add("addresses", "d", self._count("addresses where customer_id = %s", customer))
        self._sql.execute("delete from customers where customer_id = %s", [customer])
        self.done.add("customers", "d")

    def _take_back(self) -> None:
        """Change something and roll it back: it must be seen nowhere."""
        self._sql.execute("update products set list_price = list_price + 1")
        self._sql.execute("delete from payments where status = 'open'")
        self._sql.rollback()

    def _raise_prices(self, rows: int) -> None:
        """One transaction with many rows."""
        left = rows
        while left > 0:
            changed = self._update(
                "order_lines",
                "unit_price = unit_price + 0.01 where (order_id, line_number) in "
                "(select order_id, line_number from order_lines order by 1, 2 limit %s)",
                left,
            )
            left -= changed or left
        self._commit()


def work(lab: Lab, *, changes: int, seed: int, rate: float = 0.0, large: int = 0, size: Size | None = None) -> Done:
    """Make the schema when it is missing, fill an empty shop, and change it.

    Raises:
        ServiceDownError: PostgreSQL does not answer.

    """
    schema.create(lab)
    begun = time.monotonic()
    with connect(lab, SHOP.database) as connection:
        workload = Workload(connection, seed)
        workload.done.first_lsn = _position(connection)
        workload.populate(size or Size())
        done = workload.run(changes, rate=rate, large=large)
        done.last_lsn = _position(connection)
    done.seconds = time.monotonic() - begun
    return done


def _position(connection: Any) -> int:
    """Place in the database's log, in bytes."""
    found = connection.execute("select (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()[0]
    connection.commit()
    return int(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="quintet.lakehouse.shop.workload", description="Change the shop's database.")
    parser.add_argument("--changes", type=int, default=2000, help="changes at least")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=float, default=0.0, help="changes a second at most")
    parser.add_argument("--large", type=int, default=0, help="rows of one large transaction")
    options = parser.parse_args(arguments)
    return tell(lambda: work(load_lab(), **vars(options)).as_json())


if __name__ == "__main__":
    sys.exit(main())
