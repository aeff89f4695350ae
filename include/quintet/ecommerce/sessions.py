"""What people do in the shop: a Markov chain over its pages, walked by many sessions at once.

From each state the next is drawn by the chances in `_CHAIN`; every state is an event. A visitor who searches clicks
some of what is found and then looks at it; one who looks puts things into the cart; one who pays buys what is in it.
Some leave for an hour and come back in the same session of the browser.

Source: own derivation; chances chosen so that a session has about five events and one in twenty-five buys.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from quintet.ecommerce.assortment import Assortment, Prices, Sale
from quintet.ecommerce.columns import CLICKS, FILTERS, LINES, Columns, Events
from quintet.ecommerce.draws import Array, Weights, log_normal, log_uniform, pick, some
from quintet.ecommerce.people import People
from quintet.ecommerce.queries import CLICKABLE, Queries
from quintet.ecommerce.words import words

__all__ = ["CART", "CATEGORY", "CHECKOUT", "EXTERNAL", "HELP", "HOME", "NOWHERE", "PRODUCT", "Shop", "walk"]

#: Pages as numbers: these, then one a category, then one a product.
HOME, CART, CHECKOUT, HELP = range(4)
CATEGORY = 4
PRODUCT = CATEGORY + len(words().categories)
#: Referrers as numbers: none; pages of others; then pages of the shop.
NOWHERE, EXTERNAL = -1, 5

_HOME, _SEARCH, _LIST, _LOOK, _ADD, _CART, _PAY, _BUY, _HELP, _LEAVE = range(10)
#: State -> chance of the next in thousandths, in the order of the states.
_CHAIN = np.cumsum(
    [
        [0, 300, 350, 150, 0, 0, 0, 0, 20, 180],
        [0, 120, 80, 560, 0, 0, 0, 0, 0, 240],
        [40, 80, 130, 620, 0, 0, 0, 0, 0, 130],
        [40, 90, 130, 330, 160, 0, 0, 0, 0, 250],
        [0, 60, 80, 300, 0, 420, 0, 0, 0, 140],
        [60, 0, 0, 220, 0, 0, 480, 0, 0, 240],
        [0, 0, 0, 0, 0, 120, 0, 640, 0, 240],
        [200, 0, 0, 0, 0, 0, 0, 0, 0, 800],
        [300, 0, 0, 300, 0, 0, 0, 0, 0, 400],
    ],
    axis=1,
)
_BEGIN = Weights([450, 250, 180, 120])
_STEPS = 60
#: Times between two events of a session, ms; and of a pause that some make.
_GAPS = np.maximum(400, log_normal(14_000, 0.9))
_PAUSES = log_uniform(20 * 60_000, 90 * 60_000)
_PAUSE = 4.0
_CLICKED = np.repeat(np.arange(CLICKS + 1), (350, 450, 150, 50))
#: Places of clicked answers: the first ones more often.
_POSITIONS = Weights([1000 // (1 + place) for place in range(CLICKABLE)])
_QUANTITIES = np.array([1] * 14 + [2] * 4 + [3, 4])
#: In a sale, thousandths of those who come for its category; at any time, of looks at what everybody talks about.
_FOR_SALE, _TALKED_ABOUT = 500, 20.0
_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Shop:
    """Everything that sessions need to know."""

    assortment: Assortment
    people: People
    queries: Queries
    prices: Prices
    sales: tuple[Sale, ...]


@dataclass
class _Visitors:
    """The sessions that are still in the shop, as columns."""

    session: Array
    user: Array
    language: Array
    ts: Array
    state: Array
    referrer: Array
    category: Array
    product: Array
    clicked: Array
    cart: Array
    quantity: Array
    in_cart: Array = field(default_factory=lambda: np.empty(0))

    def keep(self, places: Array) -> None:
        for name, values in vars(self).items():
            setattr(self, name, values[places])


def walk(shop: Shop, rng: np.random.Generator, begins: Array, sessions: Array) -> Events:
    """All events of sessions that begin at these times, in no order.

    Shapes: `begins` and `sessions` (numbers of the sessions, used once) int64[n].
    """
    count = len(begins)
    user = shop.people.draw(rng, count)
    visitors = _Visitors(
        session=sessions,
        user=user,
        language=shop.people.language[user],
        ts=begins.copy(),
        state=_BEGIN.draw(rng, count),
        referrer=rng.integers(NOWHERE, EXTERNAL, count),
        category=_categories(shop, rng, begins),
        product=np.full(count, -1),
        clicked=np.full(count, -1),
        cart=np.full((count, LINES), -1),
        quantity=np.zeros((count, LINES), np.int64),
        in_cart=np.zeros(count, np.int64),
    )
    found: dict[str, list[Columns]] = {"page_view": [], "add_to_cart": [], "purchase": [], "search": []}
    for _ in range(_STEPS):
        if len(visitors.ts) == 0:
            break
        _act(shop, rng, visitors, found)
        _move(rng, visitors)
    return {kind: _together(parts) for kind, parts in found.items() if parts}


def _together(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _categories(shop: Shop, rng: np.random.Generator, begins: Array) -> Array:
    kinds = np.array([kind.category for kind in words().types])
    chosen = kinds[shop.assortment.draw_types(rng, len(begins))]
    for sale in shop.sales:
        lured = (begins >= sale.begin_ms) & (begins < sale.end_ms) & some(rng, _FOR_SALE, len(begins))
        chosen[lured] = sale.category
    return chosen


def _act(shop: Shop, rng: np.random.Generator, visitors: _Visitors, found: dict[str, list[Columns]]) -> None:
    state = visitors.state
    page = np.select(
        [state == _LIST, state == _CART, state == _PAY, state == _HELP],
        [CATEGORY + visitors.category, CART, CHECKOUT, HELP],
        HOME,
    )
    looking = np.flatnonzero(state == _LOOK)
    visitors.product[looking] = _looked_at(shop, rng, visitors, looking)
    page[looking] = PRODUCT + visitors.product[looking]
    viewing = np.isin(state, (_HOME, _LIST, _LOOK, _CART, _PAY, _HELP))
    found["page_view"].append(
        {
            "user": visitors.user[viewing],
            "page": page[viewing],
            "ts": visitors.ts[viewing],
            "session": visitors.session[viewing],
            "referrer": visitors.referrer[viewing],
        }
    )
    visitors.referrer = np.where(viewing, EXTERNAL + page, visitors.referrer)
    for acting, act in ((_SEARCH, _search), (_ADD, _add), (_BUY, _buy)):
        places = np.flatnonzero(state == acting)
        if len(places):
            act(shop, rng, visitors, places, found)


def _looked_at(shop: Shop, rng: np.random.Generator, visitors: _Visitors, places: Array) -> Array:
    """What is looked at: what was clicked in the answer of a search, what is talked about, or one of the category."""
    category = visitors.category[places]
    kinds = np.array([kind.category for kind in words().types])
    first = np.searchsorted(kinds, np.arange(len(words().categories)))
    width = np.bincount(kinds)
    types = first[category] + rng.integers(0, 1_000_000, len(places)) % width[category]
    product = shop.assortment.draw(rng, types)
    talked = some(rng, _TALKED_ABOUT, len(places))
    hour = visitors.ts[places][talked] // _HOUR_MS
    product[talked] = (hour * 104_729 + shop.assortment.seed * 31) % min(shop.assortment.count, 5000)
    clicked = visitors.clicked[places]
    visitors.clicked[places] = -1
    return np.where(clicked >= 0, clicked, product)


def _search(
    shop: Shop, rng: np.random.Generator, visitors: _Visitors, places: Array, found: dict[str, list[Columns]]
) -> None:
    count = len(places)
    query = shop.queries.draw(rng, visitors.language[places])
    answers = shop.queries.clickable[query]
    clicks = np.stack([answers[np.arange(count), _POSITIONS.draw(rng, count)] for _ in range(CLICKS)], axis=1)
    wanted = np.arange(CLICKS) < pick(rng, _CLICKED, count)[:, None]
    # Who clicks the same twice has clicked it once; places behind the end of the answer are no clicks.
    again = np.zeros((count, CLICKS), bool)
    again[:, 1] = clicks[:, 1] == clicks[:, 0]
    again[:, 2] = (clicks[:, 2] == clicks[:, 0]) | (clicks[:, 2] == clicks[:, 1])
    valid = wanted & (clicks >= 0) & ~again
    order = np.argsort(~valid, axis=1, kind="stable")
    clicks = np.take_along_axis(np.where(valid, clicks, -1), order, axis=1)
    visitors.clicked[places] = clicks[:, 0]
    filters = rng.integers(0, 6, (count, FILTERS))
    filters[:, 1] = (filters[:, 0] + 1 + filters[:, 1] % 5) % 6
    found["search"].append(
        {
            "query": query,
            "user": visitors.user[places],
            "session": visitors.session[places],
            "ts": visitors.ts[places],
            "results": shop.queries.results[query],
            "clicks": clicks,
            "clicked": valid.sum(axis=1),
            "type": np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 3])[rng.integers(0, 10, count)],
            "filters": filters,
            "filtered": np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])[rng.integers(0, 10, count)],
        }
    )


def _add(
    shop: Shop, rng: np.random.Generator, visitors: _Visitors, places: Array, found: dict[str, list[Columns]]
) -> None:
    quantity = pick(rng, _QUANTITIES, len(places))
    product = visitors.product[places]
    found["add_to_cart"].append(
        {
            "user": visitors.user[places],
            "product": product,
            "quantity": quantity,
            "ts": visitors.ts[places],
            "session": visitors.session[places],
        }
    )
    line = visitors.in_cart[places]
    visitors.cart[places, line] = product
    visitors.quantity[places, line] = quantity
    visitors.in_cart[places] += 1


def _buy(
    shop: Shop, rng: np.random.Generator, visitors: _Visitors, places: Array, found: dict[str, list[Columns]]
) -> None:
    products, quantities, lines = visitors.cart[places], visitors.quantity[places], visitors.in_cart[places]
    used = np.arange(LINES) < lines[:, None]
    prices = np.zeros_like(products)
    moments = np.broadcast_to(visitors.ts[places][:, None], products.shape)
    prices[used] = shop.prices.at(products[used], moments[used])
    found["purchase"].append(
        {
            "user": visitors.user[places],
            "products": np.where(used, products, -1),
            "quantities": np.where(used, quantities, 0),
            "prices": prices,
            "lines": lines,
            "total": (prices * quantities * used).sum(axis=1),
            "ts": visitors.ts[places],
            "fraud": np.zeros(len(places), np.int64),
        }
    )
    visitors.in_cart[places] = 0


def _move(rng: np.random.Generator, visitors: _Visitors) -> None:
    count = len(visitors.ts)
    chance = rng.integers(0, 1000, count)
    state = (chance[:, None] >= _CHAIN[visitors.state]).sum(axis=1)
    # A full cart takes nothing more; who found nothing searches again; nothing is put in before something was seen.
    state[(state == _ADD) & (visitors.in_cart >= LINES)] = _CART
    lost = (visitors.state == _SEARCH) & (state == _LOOK) & (visitors.clicked < 0)
    state[lost & (chance % 2 == 0)] = _SEARCH
    visitors.ts = visitors.ts + pick(rng, _GAPS, count)
    pausing = some(rng, _PAUSE, count)
    visitors.ts[pausing] += pick(rng, _PAUSES, int(pausing.sum()))
    visitors.state = state
    visitors.keep(np.flatnonzero(state != _LEAVE))
