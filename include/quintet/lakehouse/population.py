"""The shop behind the generated input: customers and products, how they change, and the change feeds they leave.

Every change is an event of one entity with the time it took effect; most are delivered the same day, some days later,
so that an older change arrives after a newer one, and some twice. The number of versions each event makes is counted
where the event is made.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random

from quintet.lakehouse.truth import UNITS

__all__ = ["CUSTOMER_HEADER", "PRODUCT_HEADER", "Customer", "Product", "Shop", "quoted"]

CUSTOMER_HEADER = ("customer_id", "name", "email", "city", "country", "segment", "operation", "changed_at")
PRODUCT_HEADER = ("stock_code", "description", "category", "list_price", "operation", "changed_at")

FIRST_CUSTOMER = 12346
HOME = "United Kingdom"
CITIES = {
    HOME: ("London", "Leeds", "Bristol", "York", "Derby", "Cardiff", "Glasgow", "Norwich"),
    "Germany": ("Köln", "München", "Berlin", "Lübeck"),
    "France": ("Paris", "Orléans", "Nîmes", "Lyon"),
    "EIRE": ("Dublin", "Cork", "Galway"),
    "Spain": ("Málaga", "Córdoba", "Madrid"),
    "Netherlands": ("Utrecht", "Delft"),
    "Belgium": ("Liège", "Gent"),
    "Switzerland": ("Zürich", "Genève"),
    "Portugal": ("Évora", "Porto"),
    "Norway": ("Tromsø", "Bergen"),
    "Japan": ("Kobe", "Nara"),
    "USA": ("Boston", "Austin"),
}
SEGMENTS = ("private", "trade", "wholesale", "charity")
CATEGORIES = ("kitchen", "garden", "gifts", "lighting", "stationery", "toys")
_GIVEN = ("Ada", "Björn", "Chloé", "Dilip", "Elif", "Finn", "Gráinne", "Hana", "Íñigo", "Joana", "Kofi", "Lena")
_FAMILY = ("Archer", "Baker", "Cartwright", "Dyer", "Fletcher", "Mason", "Núñez", "Sawyer", "Thatcher", "Weaver")
_COLOURS = ("RED", "BLUE", "IVORY", "GREEN", "PINK", "VINTAGE", "RETRO", "ZINC")
_MATERIALS = ("METAL", "GLASS", "WOODEN", "PAPER", "CERAMIC", "FELT", "TIN")
_THINGS = ("LANTERN", "MUG", "HOLDER", "BOX", "CUSHION", "FRAME", "CLOCK", "CAFÉ BOWL", "BUNTING", "DOORSTOP")

#: Shares a day of the entities that change, and of events that are delivered late or twice.
CUSTOMER_CHANGES = 0.008
PRODUCT_CHANGES = 0.004
LATE = 0.15
RESENT = 0.05
#: Share of customers and products that the change feeds do not know.
UNFED = 0.03
#: Share of products that are never sold and only come back.
UNSOLD = 0.02


@dataclass
class Customer:
    """State of a customer now."""

    number: int
    name: str
    email: str
    city: str
    country: str
    segment: str
    fed: bool
    versions: int = 0
    deleted: bool = False
    segment_changed: bool = False
    busy_until: int = -1  # day before which no further change is made, so that events of one customer never tie

    @property
    def text(self) -> str:
        """Number as invoices show it."""
        return f"{self.number}.0"


@dataclass
class Product:
    """State of a product now; `price` in units of 1/10,000 GBP."""

    code: str
    description: str
    category: str
    price: int
    fed: bool
    sold: bool
    versions: int = 0
    deleted: bool = False
    busy_until: int = -1
    #: What the feed said last; equal states make no version.
    told: tuple[str, str, str] | None = None
    #: The description as a CSV field and the price as text, kept because every line needs them.
    field_text: str = field(init=False, repr=False)
    price_text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Renew the texts after a change."""
        self.field_text = quoted(self.description)
        self.price_text = f"{self.price // UNITS}.{self.price % UNITS // 100:02d}"


class Shop:
    """Customers and products over `days` days from `start`, with the change feeds by day of delivery."""

    def __init__(self, *, seed: int, start: date, days: int, customers: int, products: int) -> None:
        self._start = start
        self._days = days
        self._final = customers
        rng = Random(f"shop:{seed}")  # noqa: S311 - data, not secrets
        self.products = [self._new_product(rng, index, products) for index in range(products)]
        self.customers: list[Customer] = []
        self._customer_feed: dict[int, list[Sequence[str]]] = defaultdict(list)
        self._product_feed: dict[int, list[Sequence[str]]] = defaultdict(list)
        for product in self.products:
            self._tell_product(rng, product, 0, "upsert", before=True)
        for _ in range(max(1, customers // 2)):
            self._join(rng, 0, before=True)
        self._seed = seed

    @property
    def change_lines(self) -> tuple[int, int]:
        """Records in the customer and in the product feed."""
        return (
            sum(len(rows) for rows in self._customer_feed.values()),
            sum(len(rows) for rows in self._product_feed.values()),
        )

    def begin_day(self, day: int) -> None:
        """Let the shop's day happen: customers join, move, change segment, leave; products change price and text."""
        rng = Random(f"changes:{self._seed}:{day}")  # noqa: S311 - data, not secrets
        due = self._final // 2 + (self._final - self._final // 2) * (day + 1) // self._days
        while len(self.customers) < due:
            self._join(rng, day)
        if day == 0:
            return
        for _ in range(_count(rng, len(self.customers) * CUSTOMER_CHANGES)):
            self._change_customer(rng, rng.choice(self.customers), day)
        for _ in range(_count(rng, len(self.products) * PRODUCT_CHANGES)):
            self._change_product(rng, rng.choice(self.products), day)
        if day % 7 == 2:
            self._change_out_of_order(rng, day)

    def customer_rows(self, day: int) -> str | None:
        """CSV text of the customer feed delivered on a day; None without deliveries."""
        return _csv(CUSTOMER_HEADER, self._customer_feed.get(day))

    def product_rows(self, day: int) -> str | None:
        """CSV text of the product feed delivered on a day; None without deliveries."""
        return _csv(PRODUCT_HEADER, self._product_feed.get(day))

    def _new_product(self, rng: Random, index: int, total: int) -> Product:
        text = f"{rng.choice(_COLOURS)} {rng.choice(_MATERIALS)} {rng.choice(_THINGS)}"
        if index % 25 == 3:
            text += ", SET OF 6"
        elif index % 40 == 5:
            text = f'12" {text} "DELUXE"'
        elif index % 100 == 7:
            text += "\nWITH GIFT BOX"
        unsold = index >= total - max(2, round(total * UNSOLD))
        fed = unsold or rng.random() >= UNFED
        price = rng.choice((39, 85, 125, 165, 210, 295, 375, 495, 795, 1275)) * 100
        code = f"{20000 + index}{'ABCDE'[index % 5] if index % 3 == 0 else ''}"
        return Product(code, text, rng.choice(CATEGORIES), price, fed, not unsold)

    def _join(self, rng: Random, day: int, *, before: bool = False) -> None:
        number = FIRST_CUSTOMER + len(self.customers)
        country = HOME if rng.random() < 0.85 else rng.choice(tuple(CITIES))
        name = f"{rng.choice(_GIVEN)} {rng.choice(_FAMILY)}"
        customer = Customer(
            number,
            name,
            f"customer{number}@example.org",
            rng.choice(CITIES[country]),
            country,
            rng.choice(SEGMENTS),
            fed=rng.random() >= UNFED,
        )
        customer.busy_until = day
        self.customers.append(customer)
        if customer.fed:
            customer.versions = 1
            self._tell_customer(rng, customer, day, "upsert", before=before)

    def _change_customer(self, rng: Random, customer: Customer, day: int) -> None:
        if not customer.fed or customer.deleted or customer.busy_until >= day:
            return
        kind = rng.random()
        operation = "upsert"
        if kind < 0.35:
            customer.city = _other(rng, CITIES[customer.country], customer.city)
        elif kind < 0.55:
            customer.country = _other(rng, tuple(CITIES), customer.country)
            customer.city = rng.choice(CITIES[customer.country])
        elif kind < 0.80:
            self._change_segment(rng, customer)
        elif kind < 0.95:
            customer.email = f"customer{customer.number}.{day}@example.org"
        else:
            customer.deleted = True
            operation = "delete"
        customer.versions += not 0.80 <= kind < 0.95
        customer.busy_until = day
        self._tell_customer(rng, customer, day, operation, late=rng.random() < LATE)

    def _change_segment(self, rng: Random, customer: Customer) -> None:
        customer.segment = _other(rng, SEGMENTS, customer.segment)
        customer.segment_changed = True

    def _change_out_of_order(self, rng: Random, day: int) -> None:
        """A move that is reported four days late, after a change of segment two days later was reported at once."""
        customer = rng.choice(self.customers)
        if not customer.fed or customer.deleted or customer.busy_until >= day or day + 4 >= self._days:
            return
        customer.city = _other(rng, CITIES[customer.country], customer.city)
        self._tell_customer(rng, customer, day, "upsert", delay=4)
        self._change_segment(rng, customer)
        self._tell_customer(rng, customer, day + 2, "upsert")
        customer.versions += 2
        customer.busy_until = day + 4

    def _change_product(self, rng: Random, product: Product, day: int) -> None:
        if not product.fed or product.deleted or product.busy_until >= day:
            return
        kind = rng.random()
        operation = "upsert"
        if kind < 0.65:
            product.price = max(1_000, product.price * rng.choice((80, 90, 110, 125)) // 10_000 * 100)
            product.price += 100 * (day % 7 + 1)
        elif kind < 0.85:
            product.description = f"{rng.choice(_COLOURS)} {rng.choice(_THINGS)} NO {product.code} V{day}"
        elif kind < 0.95 or not product.sold:
            product.category = _other(rng, CATEGORIES, product.category)
        else:
            product.deleted = True
            operation = "delete"
        product.refresh()
        self._tell_product(rng, product, day, operation, late=rng.random() < LATE)

    def _tell_customer(
        self,
        rng: Random,
        customer: Customer,
        day: int,
        operation: str,
        *,
        before: bool = False,
        late: bool = False,
        delay: int = 0,
    ) -> None:
        row = (
            str(customer.number),
            customer.name,
            customer.email,
            customer.city,
            customer.country,
            customer.segment,
            operation,
            self._moment(rng, day, before=before),
        )
        self._deliver(rng, self._customer_feed, row, day, late=late, delay=delay)

    def _tell_product(
        self, rng: Random, product: Product, day: int, operation: str, *, before: bool = False, late: bool = False
    ) -> None:
        if not product.fed:
            return
        row = (
            product.code,
            product.description,
            product.category,
            product.price_text,
            operation,
            self._moment(rng, day, before=before),
        )
        state = (product.description, product.price_text, operation)
        product.versions += state != product.told
        product.told = state
        product.busy_until = day
        self._deliver(rng, self._product_feed, row, day, late=late, delay=0)

    def _deliver(
        self,
        rng: Random,
        feed: dict[int, list[Sequence[str]]],
        row: Sequence[str],
        day: int,
        *,
        late: bool,
        delay: int,
    ) -> None:
        last = self._days - 1
        arrival = min(last, day + (delay or (rng.randint(1, 5) if late else 0)))
        feed[arrival].append(row)
        if rng.random() < RESENT:
            feed[min(last, arrival + rng.randint(0, 3))].append(row)

    def _moment(self, rng: Random, day: int, *, before: bool) -> str:
        """Time of a change: during the day, or in the year before the first day."""
        moment = datetime.combine(self._start, time(7)) + timedelta(days=day, seconds=rng.randrange(10 * 3600))
        return str(moment - timedelta(days=rng.randint(1, 300)) if before else moment)


def quoted(text: str) -> str:
    """Text as a CSV field, quoted where it must be."""
    if any(mark in text for mark in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _other(rng: Random, values: Sequence[str], current: str) -> str:
    return rng.choice([value for value in values if value != current])


def _count(rng: Random, mean: float) -> int:
    """A whole number with the given mean."""
    return int(mean) + (rng.random() < mean - int(mean))


def _csv(header: Sequence[str], rows: list[Sequence[str]] | None) -> str | None:
    if not rows:
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
