"""Seeded input of the project: an online shop's days as files, with every defect known.

`generate` writes `by_day/` (invoice lines, one file a trading day), `customers/` and `products/` (change feeds) and
`truth.json`. The same arguments give the same bytes on every machine. The truth is counted where each line is made,
never read back through the pipeline.

What is in it: orders of several lines by customers and guests, postage, manual and discount fees, stock adjustments
at price zero, bad-debt adjustments; returns of earlier sales (at most one for each customer and product, so that the
match is certain) and returns of things never bought; a day without trade every week and a few more; orders delivered
two files late; exact duplicates within a file and across files; business duplicates that differ in blanks, case or
zeros only; broken rows below the gate's threshold; files in Latin-1, with byte order mark, gzip, and with every field
quoted and CRLF line ends; fields with commas, quotes and line ends.

With `poison_day` one day's file is broken beyond the threshold; the whole file lies in `repaired/` and `repair` puts it
in place. The truth describes the state with the repaired file, and the poisoned one under `poison`.

Source: own derivation; columns and conventions of the UCI Online Retail set (doi 10.24432/C5BW33).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

from quintet.generated import poison_of, refuse_days, refuse_filled
from quintet.lakehouse.population import HOME, Customer, Product, Shop
from quintet.lakehouse.truth import FILE_NAME, Truth, money

__all__ = ["HEADER", "Scale", "generate", "repair"]

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
FIRST_INVOICE = 536365

#: Shares of lines or orders that carry a defect; broken rows stay far below the gate's 5 % and 50 rows a file.
EXACT_WITHIN = 0.004
EXACT_ACROSS = 0.003
BUSINESS = 0.003
BROKEN = 0.006
BROKEN_AT_MOST = 20
LATE_ORDERS = 0.01
RETURNED = 0.02
POISONED = 0.2

_GUESTS = 0.2
_QUANTITIES = (1, 1, 1, 2, 2, 3, 4, 6, 6, 8, 12, 12, 24, 48)
_QUANTITY_TEXTS = tuple(str(quantity) for quantity in range(49))


@dataclass(frozen=True)
class Scale:
    """Size of the shop; a day has about twelve lines an order."""

    orders_per_day: int = 40
    customers: int = 400
    products: int = 300


@dataclass(frozen=True)
class _Line:
    """A line that may be repeated or returned later: its parts and what it counts for."""

    invoice: str
    product: Product
    description: str
    quantity: int
    moment: str
    price: int
    price_text: str
    customer: Customer | None
    country: str

    @property
    def text(self) -> str:
        number = self.customer.text if self.customer else ""
        return (
            f"{self.invoice},{self.product.code},{self.description},{self.quantity},{self.moment},"
            f"{self.price_text},{number},{self.country}"
        )


def generate(
    out: Path,
    *,
    days: int = 30,
    seed: int = 1,
    start: date = date(2025, 1, 1),
    scale: Scale | None = None,
    poison_day: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Truth:
    """Write an input folder and return its truth.

    Args:
        out: folder, made when absent; it must not hold an input yet.
        days: calendar days, days without trade included.
        seed: the same seed gives the same bytes.
        start: first day.
        scale: size of the shop.
        poison_day: day, from 1, whose file is broken; the next trading day when there is no trade on it.
        progress: called with days done and days in all.

    Raises:
        InputError: the folder holds files already, or the poison day lies outside.

    """
    refuse_days(days, poison_day)
    refuse_filled(out, out / "by_day")
    run = _Generator(out, days=days, seed=seed, start=start, scale=scale or Scale(), poison_day=poison_day)
    for day in range(days):
        run.write_day(day)
        if progress:
            progress(day + 1, days)
    truth = run.truth()
    truth.write(out / FILE_NAME)
    return truth


def repair(out: Path) -> Path:
    """Put the repaired file in the place of the poisoned one; the path of the file."""
    poison = poison_of(out, Truth.read(out / FILE_NAME).poison)
    place = out / "by_day" / str(poison["file"])
    shutil.copyfile(out / "repaired" / poison["file"], place)
    return place


@dataclass
class _Counts:
    """Counters of the truth; money in units of 1/10,000 GBP."""

    total: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    daily: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    files: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    defects: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    distinct: dict[str, set[object]] = field(default_factory=lambda: defaultdict(set))


class _Generator:
    def __init__(self, out: Path, *, days: int, seed: int, start: date, scale: Scale, poison_day: int | None) -> None:
        self.out = out
        self.days = days
        self.seed = seed
        self.start = start
        self.scale = scale
        self.shop = Shop(seed=seed, start=start, days=days, customers=scale.customers, products=max(20, scale.products))
        self.counts = _Counts()
        self.hashes: dict[str, dict[str, str]] = {"invoice_lines": {}, "customer_changes": {}, "product_changes": {}}
        self.trading = [day for day in range(days) if self._is_trading(day)] or [0]
        self.poison_day = self._trading_day(poison_day)
        self.poison: dict[str, object] | None = None
        self.next_invoice = FIRST_INVOICE
        self.late: dict[int, list[_Line]] = defaultdict(list)  # by day of delivery
        self.resend: dict[int, list[_Line]] = defaultdict(list)
        self.returns: dict[int, list[_Line]] = defaultdict(list)
        self.returned: set[tuple[int, str]] = set()
        self.repeated = 0

    def write_day(self, day: int) -> None:
        """One day of the shop: its change feeds, and its invoices when it trades."""
        self.shop.begin_day(day)
        name = f"{self._date(day)}.csv"
        for feed, folder, text in (
            ("customer_changes", "customers", self.shop.customer_rows(day)),
            ("product_changes", "products", self.shop.product_rows(day)),
        ):
            if text is not None:
                self._write(feed, f"{folder}/{name}", text.encode())
        if day in self.trading:
            self._write_invoices(day, name)

    def truth(self) -> Truth:
        """What must come out, from what was written."""
        total, distinct = self.counts.total, self.counts.distinct
        customer_lines, product_lines = self.shop.change_lines
        expect: dict[str, int | str] = {name: total[name] for name in _COUNTED}
        expect |= {name: money(total[name]) for name in ("net_value_gbp", "silver_net_value_gbp")}
        expect |= {name: len(distinct[name]) for name in _DISTINCT}
        expect |= {"customer_change_lines": customer_lines, "product_change_lines": product_lines}
        expect["files"] = sum(len(names) for names in self.hashes.values())
        return Truth(
            source="generator",
            seed=self.seed,
            days=self.days,
            start=str(self.start),
            expect={**expect, **self._dimensions()},
            files=self.hashes,
            daily={day: _with_money(values) for day, values in sorted(self.counts.daily.items())},
            per_file={name: dict(values) for name, values in sorted(self.counts.files.items())},
            defects=dict(self.counts.defects),
            poison=self.poison,
        )

    def _dimensions(self) -> dict[str, int]:
        customers, products = self.shop.customers, self.shop.products
        sold = self.counts.distinct["_unfed_products"]
        bought = self.counts.distinct["_unfed_customers"]
        return {
            "dim_customers": sum(customer.fed for customer in customers) + len(bought),
            "customer_versions": sum(customer.versions for customer in customers) + len(bought),
            "deleted_customers": sum(customer.deleted for customer in customers),
            "previous_segment_customers": sum(customer.segment_changed for customer in customers),
            "dim_products": sum(product.fed for product in products) + len(sold),
            "product_versions": sum(product.versions for product in products) + len(sold),
            "deleted_products": sum(product.deleted for product in products),
        }

    def _write_invoices(self, day: int, name: str) -> None:
        rng = Random(f"orders:{self.seed}:{day}")  # noqa: S311 - data, not secrets
        index = self.trading.index(day)
        file = f"{name}.gz" if index % 20 == 6 else name
        rows: list[str] = []
        book = _Book(self.counts, file, str(self._date(day)), rows)
        self._orders(rng, day, book)
        for line in self.late.pop(day, []):
            book.silver(line, "sale")
        self._fees_and_adjustments(rng, day, book)
        self._returns(rng, day, book)
        self._broken(rng, day, book)
        self._duplicates(rng, day, book)
        text = "\n".join([HEADER, *rows, ""])
        if day == self.poison_day:
            poisoned = self._poison(rng, file, book)
            self._write("invoice_lines", f"repaired/{file}", text.encode())
            self._write("invoice_lines", f"by_day/{file}", "\n".join([HEADER, *poisoned, ""]).encode())
        else:
            self._write("invoice_lines", f"by_day/{file}", _encoded(text, index))

    def _orders(self, rng: Random, day: int, book: _Book) -> None:
        random = rng.random
        date_text = str(self._date(day))
        customers = [customer for customer in self.shop.customers if not customer.deleted]
        products = [product for product in self.shop.products if product.sold and not product.deleted]
        later = [other for other in self.trading if other > day]
        second = 8 * 3600
        step = 10 * 3600 // (self.scale.orders_per_day + 1)
        orders = int(self.scale.orders_per_day * (0.85 + 0.3 * random()))
        for number in range(orders):
            second += int(step * 2 * random())
            moment = f"{date_text} {second // 3600 % 24:02d}:{second // 60 % 60:02d}:00"
            customer = None if random() < _GUESTS else customers[int(random() ** 1.7 * len(customers))]
            country = customer.country if customer else HOME
            invoice = str(self._invoice())
            late = later[1] if len(later) > 1 and random() < LATE_ORDERS else None
            for product in _basket(random, products):
                quantity = _QUANTITIES[int(random() * 14)]
                line = _Line(
                    invoice,
                    product,
                    product.field_text,
                    quantity,
                    moment,
                    product.price,
                    product.price_text,
                    customer,
                    country,
                )
                if late is not None:
                    self.late[late].append(line)
                    self.counts.defects["late_lines"] += 1
                    continue
                book.silver(line, "sale")
                self._plan(random, line, later)
            if customer and country != HOME and random() < 0.5 and late is None:
                book.other("fee", invoice, "POST", "POSTAGE", 1, moment, 180_000 + 10_000 * (number % 9), customer)

    def _plan(self, random: Callable[[], float], line: _Line, later: list[int]) -> None:
        """Sometimes a sale comes back, or is sent again in a later file."""
        chance = random()
        if chance < RETURNED and later and line.customer:
            pair = (line.customer.number, line.product.code)
            if pair not in self.returned:
                self.returned.add(pair)
                self.returns[later[min(len(later) - 1, int(random() * 8))]].append(line)
        elif chance > 1 - EXACT_ACROSS and later:
            self.resend[later[min(len(later) - 1, int(random() * 3))]].append(line)

    def _fees_and_adjustments(self, rng: Random, day: int, book: _Book) -> None:
        moment = f"{self._date(day)} 17:{rng.randrange(60):02d}:00"
        products = [product for product in self.shop.products if product.fed]
        for _ in range(1 + self.scale.orders_per_day // 50):
            product = rng.choice(products)
            book.other(
                "adjustment", str(self._invoice()), product.code, "damaged", -rng.randint(1, 40), moment, 0, None
            )
            book.other("fee", str(self._invoice()), "M", "Manual", 1, moment, rng.randint(100, 90_000) * 100, None)
        if rng.random() < 0.3:
            book.other("fee", f"C{self._invoice()}", "D", "Discount", -1, moment, rng.randint(500, 9_000) * 100, None)
        if rng.random() < 0.1:
            price = rng.choice((-1, 1)) * 110_620_600
            book.other("adjustment", f"A{self._invoice()}", "B", "Adjust bad debt", 1, moment, price, None)

    def _returns(self, rng: Random, day: int, book: _Book) -> None:
        for number, sale in enumerate(self.returns.pop(day, [])):
            if sale.customer is None or sale.customer.deleted:
                continue
            quantity = rng.randint(1, sale.quantity)
            moment = f"{self._date(day)} 16:{number % 60:02d}:00"
            book.silver(_back(sale, f"C{self._invoice()}", quantity, moment), "return")
            self.counts.total["matched_returns"] += 1
        unsold = [product for product in self.shop.products if not product.sold]
        customers = [customer for customer in self.shop.customers if not customer.deleted]
        for product in rng.sample(unsold, min(len(unsold), 1 + self.scale.orders_per_day // 100)):
            customer = rng.choice(customers)
            moment = f"{self._date(day)} 15:{rng.randrange(60):02d}:00"
            never = _line(f"C{self._invoice()}", product, rng.randint(1, 5), moment, customer, customer.country)
            book.silver(_back(never, never.invoice, never.quantity, moment), "return")

    def _broken(self, rng: Random, day: int, book: _Book) -> None:
        lines = len(book.rows)
        products = [product for product in self.shop.products if product.sold and product.fed]
        for _ in range(min(BROKEN_AT_MOST, int(lines * BROKEN))):
            moment = f"{self._date(day)} 12:{rng.randrange(60):02d}:00"
            line = _line(str(self._invoice()), rng.choice(products), rng.randint(1, 12), moment, None, HOME)
            defect = rng.choice(_DEFECTS)
            book.broken(_break(line, defect, self._date(day)), defect, rng.randrange(lines + 1))

    def _duplicates(self, rng: Random, day: int, book: _Book) -> None:
        own = [line for line in book.sales if rng.random() < EXACT_WITHIN + BUSINESS]
        for line in own:
            self.repeated += 1
            if self.repeated % 7 < 4:
                book.exact(line, "exact_within")
            else:
                book.business(line, self.repeated)
        for line in self.resend.pop(day, []):
            book.exact(line, "exact_across")

    def _poison(self, rng: Random, file: str, book: _Book) -> list[str]:
        """The rows with a fifth of them broken, at least sixty where there are as many, by several rules."""
        rows = list(book.rows)
        whole = [place for place, row in enumerate(rows) if row not in book.broken_rows and _breakable(row)]
        chosen = sorted(rng.sample(whole, min(len(whole), max(60, int(len(rows) * POISONED)))))
        rules: dict[str, int] = defaultdict(int)
        for number, place in enumerate(chosen):
            rule = _POISONS[number % len(_POISONS)]
            rows[place] = _poison_row(rows[place], rule)
            rules[rule] += 1
        self.poison = {
            "file": file,
            "day": file[:10],
            "lines": len(rows),
            "broken": len(chosen),
            "quarantined": len(chosen) + len(book.broken_rows),
            "rules": dict(rules),
            "repaired": f"repaired/{file}",
            # Bronze then holds both versions of the file; all else is as `expect` says.
            "after_repair": {"more_bronze_lines": len(rows), "superseded": len(rows)},
        }
        return rows

    def _write(self, feed: str, path: str, content: bytes) -> None:
        place = self.out / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(gzip.compress(content, mtime=0) if path.endswith(".gz") else content)
        digest = hashlib.sha256(content).hexdigest()
        if path.startswith("repaired/"):
            assert self.poison is not None  # noqa: S101 - set by _poison just before
            self.poison["repaired_sha256"] = digest
        else:
            self.hashes[feed][place.name] = digest

    def _invoice(self) -> int:
        self.next_invoice += 1
        return self.next_invoice

    def _date(self, day: int) -> date:
        return self.start + timedelta(days=day)

    def _is_trading(self, day: int) -> bool:
        quiet = Random(f"quiet:{self.seed}:{day}").random() < 0.02  # noqa: S311 - data, not secrets
        return self._date(day).weekday() != 5 and not quiet

    def _trading_day(self, number: int | None) -> int | None:
        if number is None:
            return None
        return next((day for day in self.trading if day >= number - 1), self.trading[-1])


class _Book:
    """The rows of one file, and the counters that each row moves."""

    def __init__(self, counts: _Counts, file: str, day: str, rows: list[str]) -> None:
        self.rows = rows
        self.sales: list[_Line] = []
        self.broken_rows: set[str] = set()
        self._counts = counts
        self._total = counts.total
        self._file = counts.files[file]
        self._day = counts.daily[day]
        for name in ("bronze_lines", "silver_lines", "exact_duplicates", "business_duplicates", "quarantined"):
            self._file[name] += 0

    def silver(self, line: _Line, kind: str) -> None:
        """A good line: `kind` is its type."""
        amount = line.quantity * line.price
        self._raw(line.text, line.invoice, line.product.code, line.country, line.customer, amount)
        self._publish(line.invoice, line.product.code, line.country, line.customer, line.moment[:10], kind, amount)
        if kind == "sale":
            self.sales.append(line)
            if not line.product.fed:
                self._counts.distinct["_unfed_products"].add(line.product.code)

    def other(
        self,
        kind: str,
        invoice: str,
        code: str,
        text: str,
        quantity: int,
        moment: str,
        price: int,
        customer: Customer | None,
    ) -> None:
        """A fee or an adjustment."""
        country = customer.country if customer else HOME
        number = customer.text if customer else ""
        row = f"{invoice},{code},{text},{quantity},{moment},{_decimal(price)},{number},{country}"
        self._raw(row, invoice, code, country, customer, quantity * price)
        self._publish(invoice, code, country, customer, moment[:10], kind, quantity * price)

    def exact(self, line: _Line, defect: str) -> None:
        """The line once more, byte for byte."""
        self._raw(line.text, line.invoice, line.product.code, line.country, line.customer, line.quantity * line.price)
        self._surplus("exact_duplicates", defect)

    def business(self, line: _Line, place: int) -> None:
        """The line once more, another text for the same business line."""
        variant, code, price = place % 3, line.product.code, line.price_text
        text = line.text
        if variant == 0:
            description = line.product.description.lower().replace("\n", " ").replace('"', "").replace(",", "")
            text = text.replace(line.description, f" {description}  ", 1)
        elif variant == 1:
            text = text.replace(f",{price},", f",{price}0,", 1)
        else:
            code = f"{code.lower()} "
            text = text.replace(f",{line.product.code},", f",{code},", 1)
        self._raw(text, line.invoice, code, line.country, line.customer, line.quantity * line.price)
        self._surplus("business_duplicates", f"business_{('description', 'price_zero', 'stock_code')[variant]}")

    def broken(self, row: tuple[str, ...], defect: str, place: int) -> None:
        """A row that the gate must set aside."""
        invoice, code, _, quantity, _, price, _, country = row
        whole, cost = _number(quantity), _number(price.replace(".", "")) if "." in price else None
        amount = whole * cost * 100 if whole is not None and cost is not None else 0
        self.rows.insert(place, ",".join(row))
        self.broken_rows.add(",".join(row))
        self._count_raw(invoice, code, country, None, amount)
        self._surplus("quarantined", f"broken_{defect}")

    def _raw(self, text: str, invoice: str, code: str, country: str, customer: Customer | None, amount: int) -> None:
        self.rows.append(text)
        self._count_raw(invoice, code, country, customer, amount)

    def _count_raw(self, invoice: str, code: str, country: str, customer: Customer | None, amount: int) -> None:
        total, distinct = self._total, self._counts.distinct
        total["bronze_lines"] += 1
        total["net_value_gbp"] += amount
        total["guest_lines"] += customer is None
        total["cancellation_lines"] += invoice.startswith("C")
        self._file["bronze_lines"] += 1
        self._day["bronze_lines"] += 1
        for name, value in (("invoices", invoice), ("stock_codes", code), ("countries", country)):
            if value:
                distinct[name].add(value)
        if customer:
            distinct["customers"].add(customer.number)

    def _publish(
        self, invoice: str, code: str, country: str, customer: Customer | None, day: str, kind: str, amount: int
    ) -> None:
        total, distinct, daily = self._total, self._counts.distinct, self._counts.daily[day]
        total["silver_lines"] += 1
        total[_PLURAL[kind]] += 1
        total["silver_net_value_gbp"] += amount
        self._file["silver_lines"] += 1
        daily["silver_lines"] += 1
        daily["net_gbp"] += amount
        if kind == "sale":
            daily["revenue_gbp"] += amount
        elif kind == "return":
            daily["returns_gbp"] += amount
        distinct["silver_invoices"].add(invoice)
        distinct["silver_products"].add(code)
        distinct["silver_countries"].add(country)
        if customer:
            distinct["silver_customers"].add(customer.number)
            if not customer.fed:
                distinct["_unfed_customers"].add(customer.number)

    def _surplus(self, metric: str, defect: str) -> None:
        self._total[metric] += 1
        self._file[metric] += 1
        self._counts.defects[defect] += 1


_PLURAL = {"sale": "sales", "return": "returns", "adjustment": "adjustments", "fee": "fees"}
_COUNTED = (
    "bronze_lines",
    "guest_lines",
    "cancellation_lines",
    "exact_duplicates",
    "business_duplicates",
    "quarantined",
    "silver_lines",
    "sales",
    "returns",
    "adjustments",
    "fees",
    "matched_returns",
)
_DISTINCT = (
    "invoices",
    "stock_codes",
    "customers",
    "countries",
    "silver_invoices",
    "silver_products",
    "silver_customers",
    "silver_countries",
)
_DEFECTS = (
    "bad_date",
    "future_date",
    "text_in_quantity",
    "zero_quantity",
    "absurd_quantity",
    "text_in_price",
    "negative_price",
    "missing_invoice",
    "missing_stock_code",
    "missing_country",
    "cancellation_with_positive_quantity",
)
_POISONS = ("bad_date", "text_in_quantity", "negative_price", "missing_country", "text_in_customer")


def _basket(random: Callable[[], float], products: list[Product]) -> Iterable[Product]:
    """Products of an order: popular ones more often, some of them always with their neighbour."""
    count = len(products)
    chosen: dict[int, None] = {}
    for _ in range(1 + int(random() ** 2 * 30)):
        place = int(random() ** 2 * count)
        chosen[place] = None
        if place < 20 and random() < 0.6:
            chosen[place ^ 1] = None
    return [products[place] for place in chosen if place < count]


def _line(invoice: str, product: Product, quantity: int, moment: str, customer: Customer | None, country: str) -> _Line:
    return _Line(
        invoice, product, product.field_text, quantity, moment, product.price, product.price_text, customer, country
    )


def _back(sale: _Line, invoice: str, quantity: int, moment: str) -> _Line:
    """The return of a sale, at the price it was sold for."""
    return _Line(
        invoice,
        sale.product,
        sale.description,
        -quantity,
        moment,
        sale.price,
        sale.price_text,
        sale.customer,
        sale.customer.country if sale.customer else sale.country,
    )


def _break(line: _Line, defect: str, day: date) -> tuple[str, ...]:
    row = {
        "invoice": line.invoice,
        "code": line.product.code,
        "description": line.description,
        "quantity": str(line.quantity),
        "moment": line.moment,
        "price": line.price_text,
        "customer": "",
        "country": line.country,
    }
    row |= {
        "bad_date": {"moment": f"{day.year}-02-30 12:00:00"},
        "future_date": {"moment": str(datetime.combine(day, datetime.min.time()) + timedelta(days=30))},
        "text_in_quantity": {"quantity": "six"},
        "zero_quantity": {"quantity": "0"},
        "absurd_quantity": {"quantity": "1000000"},
        "text_in_price": {"price": "n/a"},
        "negative_price": {"price": f"-{line.price_text}"},
        "missing_invoice": {"invoice": ""},
        "missing_stock_code": {"code": ""},
        "missing_country": {"country": ""},
        "cancellation_with_positive_quantity": {"invoice": f"C{line.invoice}"},
    }[defect]
    return tuple(row.values())


def _breakable(row: str) -> bool:
    """A plain row of a sale: eight fields without quotes, a number in each place."""
    parts = row.split(",")
    return len(parts) == 8 and '"' not in row and parts[0].isdigit() and parts[3].isdigit() and parts[5] != "0.00"


def _poison_row(row: str, rule: str) -> str:
    parts = row.split(",")
    place, value = {
        "bad_date": (4, "31/31/2025"),
        "text_in_quantity": (3, "many"),
        "negative_price": (5, f"-{parts[5]}"),
        "missing_country": (7, ""),
        "text_in_customer": (6, "unknown"),
    }[rule]
    parts[place] = value
    return ",".join(parts)


def _encoded(text: str, index: int) -> bytes:
    """Bytes of a file: every twentieth is of another kind."""
    kind = index % 20
    if kind == 2:
        return text.encode("latin-1")
    if kind == 4:
        return text.encode("utf-8-sig")
    if kind == 8:
        full = io.StringIO()
        rows = csv.reader(io.StringIO(text, newline=""))
        csv.writer(full, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
        return full.getvalue().encode()
    return text.encode()


def _decimal(units: int) -> str:
    """Price text with two places; zero as the real set shows it."""
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // 10_000}.{abs(units) % 10_000 // 100:02d}"


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _with_money(values: dict[str, int]) -> dict[str, int | str]:
    whole = {name: values.get(name, 0) for name in ("bronze_lines", "silver_lines")}
    return {**whole, **{name: money(values.get(name, 0)) for name in ("revenue_gbp", "returns_gbp", "net_gbp")}}
