"""Seeded input of the project: days of a shop's events as files, its catalogue, and the truth about them.

`generate` writes `by_day/<day>/<kind>.parquet` (records in order of arrival, the fields of their topic and
`arrived_at`), `by_day/<day>/malformed.parquet` (records that are no events), `catalogue/` (products, their texts in
every language, prices and how they change, places, users, synonyms, queries and the judgement list), `truth.json` and
`truth/`. The same arguments give the same bytes on every machine.

What is in it: sessions as a Markov chain, searches with clicks, carts that are left behind, sales with cheaper prices
and three times the visitors, restocking, fraudulent purchases; events that are late, out of order or there twice;
records that decode and break a rule; records that do not decode.

With `poison_day` one day's page views and cart additions are broken beyond any gate; the whole files lie in `repaired/`
and `repair` puts them in place. The truth describes the state with the repaired files.

Source: own derivation.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from quintet.ecommerce import truthtables
from quintet.ecommerce.assortment import DAY_MS
from quintet.ecommerce.columns import Columns
from quintet.ecommerce.definitions import KINDS
from quintet.ecommerce.sessions import Shop
from quintet.ecommerce.simulation import Piece, Scale, Simulation
from quintet.ecommerce.tables import EVENTS, MALFORMED_SCHEMA, STRANGE, Texts, event_schema
from quintet.ecommerce.texts import catalogue_tables
from quintet.ecommerce.truth import BATCH, FILE_NAME, FOLDER, VIEWS, Recorder, Truth
from quintet.generated import poison_of, refuse_days, refuse_filled

__all__ = ["Scale", "generate", "moment_ms", "repair", "run", "write_catalogue", "write_truth"]

#: One record of so many is broken in a poisoned file.
POISONED = 4
#: Truth table -> what computes it, for both views.
_TABLES: dict[str, Callable[[Shop, dict[str, Columns]], pa.Table]] = {
    "minute_kpis": truthtables.minute_kpis,
    "sessions": truthtables.sessions,
    "suspicious_orders": truthtables.suspicious,
    "shortages": truthtables.shortages,
    "stock": truthtables.stock,
    "trending": truthtables.trending,
}


def moment_ms(day: date) -> int:
    """Begin of a day, ms since the epoch, UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def generate(
    out: Path,
    *,
    days: int = 30,
    seed: int = 7,
    start: date = date(2025, 1, 1),
    scale: Scale | None = None,
    poison_day: int | None = None,
) -> Truth:
    """Write an input folder and return its truth.

    Args:
        out: folder, made when absent; it must not hold an input yet.
        days: days of events.
        seed: the same seed gives the same bytes.
        start: first day.
        scale: size of the shop.
        poison_day: day, from 1, whose files are broken.

    Raises:
        InputError: the folder holds files already, or the poison day lies outside.

    """
    refuse_days(days, poison_day)
    folder = out / EVENTS
    refuse_filled(out, folder)
    begin = moment_ms(start)
    simulation = Simulation(seed, begin, begin + days * DAY_MS, scale or Scale())
    texts, recorder = Texts(simulation.shop), Recorder()
    pieces = simulation.pieces()
    for number in range(days):
        day = start + timedelta(days=number)
        with _day_files(folder / day.isoformat()) as write:
            for piece in _until(pieces, begin + (number + 1) * DAY_MS):
                recorder.add(piece)
                write(piece, texts)
    poison = None if poison_day is None else _poison(out, start + timedelta(days=poison_day - 1))
    write_catalogue(out, simulation.shop)
    return write_truth(out, simulation, recorder, f"generated, {days} days, seed {seed}", poison)


def run(out: str, *, days: int, seed: int, poison_day: int | None = None) -> dict[str, int]:
    """`generate` for `quintet.call`: counts of the truth."""
    return generate(Path(out), days=days, seed=seed, poison_day=poison_day).expect


def write_catalogue(out: Path, shop: Shop) -> None:
    """Write the tables of the catalogue."""
    (out / "catalogue").mkdir(parents=True, exist_ok=True)
    for name, table in catalogue_tables(shop):
        _write(table, out / "catalogue" / f"{name}.parquet")


def write_truth(
    out: Path, simulation: Simulation, recorder: Recorder, source: str, poison: dict[str, Any] | None = None
) -> Truth:
    """Compute the tables of the truth, write them and the counts; the truth."""
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    tables = {"fraud_orders": truthtables.frauds(simulation.shop, recorder.events(BATCH))}
    by_view = {view: recorder.events(view) for view in VIEWS}
    for name, compute in _TABLES.items():
        parts = []
        for view, events in by_view.items():
            part = compute(simulation.shop, events)
            parts.append(part.add_column(0, "view", pa.array([view] * part.num_rows, pa.string())))
        tables[name] = pa.concat_tables(parts)
    for name, table in tables.items():
        _write(table, out / FOLDER / f"{name}.parquet")
    truth = Truth(
        source=source,
        seed=simulation.seed,
        begin=simulation.start_ms,
        end=simulation.end_ms,
        records=recorder.records,
        broken=recorder.broken,
        malformed=recorder.malformed,
        rows=_rows(tables),
        sales=tuple(
            {"begin": sale.begin_ms, "end": sale.end_ms, "category": sale.category} for sale in simulation.shop.sales
        ),
        poison=poison,
    )
    truth.write(out / FILE_NAME)
    return truth


def repair(out: Path) -> list[Path]:
    """Put the repaired files in the place of the poisoned ones; their paths.

    Raises:
        InputError: the input has no poison day.

    """
    poison = poison_of(out, Truth.read(out / FILE_NAME).poison)
    places = [out / EVENTS / str(poison["day"]) / str(name) for name in poison["files"]]
    for place in places:
        shutil.copyfile(out / "repaired" / str(poison["day"]) / place.name, place)
    return places


def _until(pieces: Iterator[Piece], end_ms: int) -> Iterator[Piece]:
    """Pieces of a day: their lengths divide it."""
    for piece in pieces:
        yield piece
        if piece.end_ms >= end_ms:
            return


@contextmanager
def _day_files(folder: Path) -> Iterator[Callable[[Piece, Texts], None]]:
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        schemas = {**{kind: event_schema(kind) for kind in KINDS}, STRANGE: MALFORMED_SCHEMA}
        writers = {
            name: stack.enter_context(pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd"))
            for name, schema in schemas.items()
        }

        def write(piece: Piece, texts: Texts) -> None:
            for kind, columns in piece.events.items():
                writers[kind].write_table(texts.table(kind, columns))
            writers[STRANGE].write_table(texts.malformed(piece.malformed))

        yield write


def _poison(out: Path, day: date) -> dict[str, Any]:
    names = {
        "page_view.parquet": ("page", pa.scalar("none")),
        "add_to_cart.parquet": ("quantity", pa.scalar(0, pa.int32())),
    }
    repaired = out / "repaired" / day.isoformat()
    repaired.mkdir(parents=True)
    broken = {}
    for name, (column, wrong) in names.items():
        place = out / EVENTS / day.isoformat() / name
        shutil.copyfile(place, repaired / name)
        table = pq.read_table(place, schema=event_schema(name.removesuffix(".parquet")))
        spoilt = pa.array(np.arange(table.num_rows) % POISONED == 0)
        number = table.schema.get_field_index(column)
        values = pc.if_else(spoilt, wrong, table.column(column).combine_chunks())
        _write(table.set_column(number, table.schema.field(number), values), place)
        broken[name] = int(pc.sum(spoilt).as_py() or 0)
    return {"day": day.isoformat(), "files": sorted(names), "broken": broken}


def _rows(tables: dict[str, pa.Table]) -> dict[str, int]:
    found = {}
    for name, table in tables.items():
        if name == "stock":
            continue
        if "view" not in table.column_names:
            found[name] = table.num_rows
            continue
        for view in VIEWS:
            found[f"{view}_{name}"] = int(pc.sum(pc.equal(table.column("view"), view)).as_py() or 0)
        if "is_abandoned" in table.column_names:
            abandoned = table.filter(table.column("is_abandoned"))
            for view in VIEWS:
                found[f"{view}_abandoned_carts"] = int(pc.sum(pc.equal(abandoned.column("view"), view)).as_py() or 0)
    return found


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")
