"""What the verbs generate, run and verify know of each project: its generator, its answers, its proof."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quintet.check import Check
from quintet.cli.output import print_json, print_table, say
from quintet.errors import VerifyError
from quintet.settings import Lab

__all__ = ["Answer", "Proof", "proof_of", "tell_checks"]

#: Title, names of columns, rows.
Answer = tuple[str, Sequence[str], Iterable[Sequence[Any]]]


class Proof(ABC):
    """One project, for the verbs."""

    #: What to do when the gate has refused.
    gate_remedy: str
    #: Name of the door that people look at beside Airflow, and its endpoint.
    door: tuple[str, str]

    @abstractmethod
    def generate(self, out: Path, *, days: int, seed: int, poison_day: int | None) -> dict[str, Any]:
        """Write an input; figures of its truth."""

    @abstractmethod
    def truth(self, given: Path | None, folder: Path) -> Any:
        """Truth of the file given, else of an input folder."""

    @abstractmethod
    def checks(self, lab: Lab, truth: Any) -> Iterator[Check]:
        """Compare what the lab holds with the truth."""

    @abstractmethod
    def answers(self, lab: Lab) -> Iterator[Answer]:
        """What the end of a run shows."""


class _Lakehouse(Proof):
    gate_remedy = "Nothing was published. See: quintet quarantine list lakehouse"
    door = ("Trino", "trino")
    #: Title -> statement.
    statements = {  # noqa: RUF012
        "Rows": "select 'bronze' as layer, count(*) as lines from delta.bronze_lakehouse.invoice_lines union all "
        "select 'silver', count(*) from delta.silver_lakehouse.invoice_lines union all "
        "select 'quarantine (open)', count(*) from delta.silver_lakehouse.invoice_lines__quarantine "
        "where _status = 'open' union all select 'gold sales', count(*) from iceberg.gold_lakehouse.fct_sales",
        "Revenue by month": "select trade_month, revenue_gbp from iceberg.gold_lakehouse.revenue_monthly order by 1",
        "Best products": "select product_id, sum(line_amount_gbp) as revenue_gbp from iceberg.gold_lakehouse.fct_sales "
        "group by 1 order by 2 desc limit 5",
    }

    def generate(self, out: Path, *, days: int, seed: int, poison_day: int | None) -> dict[str, Any]:
        from quintet.lakehouse.generator import generate

        truth = generate(out, days=days, seed=seed, poison_day=poison_day)
        return {"files": sum(map(len, truth.files.values())), **truth.expect}

    def truth(self, given: Path | None, folder: Path) -> Any:
        from quintet.lakehouse import facts
        from quintet.lakehouse.truth import FILE_NAME, Truth

        path = given or folder / FILE_NAME
        return Truth.read(path) if given or path.exists() else facts.known(folder)

    def checks(self, lab: Lab, truth: Any) -> Iterator[Check]:
        from quintet.lake.trino import connect, query
        from quintet.lakehouse.verify import checks

        connection = connect(lab)
        yield from checks(truth, lambda statement: query(connection, statement))

    def answers(self, lab: Lab) -> Iterator[Answer]:
        from quintet.lake.trino import connect, query_with_names

        connection = connect(lab)
        for title, statement in self.statements.items():
            yield (title, *query_with_names(connection, statement))


class _Timeseries(Proof):
    gate_remedy = "Nothing of the files named above was written; the others were. Correct them and run again"
    door = ("time-series database", "timeseries")
    #: Title -> statement.
    statements = {  # noqa: RUF012
        "Points by metric": "SELECT metric, count(DISTINCT labels) AS series, count(*) AS points, "
        "min(timestamp)::VARCHAR AS first, max(timestamp)::VARCHAR AS last FROM points GROUP BY ALL ORDER BY 3 DESC",
        "Warmest halls": "SELECT labels['site'] AS site, labels['hall'] AS hall, round(avg(value), 2) AS mean_celsius, "
        "max(value) AS greatest FROM points WHERE metric = 'climate_temperature_celsius' GROUP BY ALL ORDER BY 3 DESC "
        "LIMIT 5",
    }

    def generate(self, out: Path, *, days: int, seed: int, poison_day: int | None) -> dict[str, Any]:
        from quintet.timeseries.generator import generate

        return dict(generate(out, days=days, seed=seed, poison_day=poison_day).expect)

    def truth(self, given: Path | None, folder: Path) -> Any:
        from quintet.timeseries.truth import FILE_NAME, Truth

        path = given or folder / FILE_NAME
        if not path.exists():
            raise VerifyError(
                f"nothing is known about the input {folder}",
                remedy="Name its truth with --truth, or run over generated input: quintet run timeseries",
            )
        return Truth.read(path)

    def checks(self, lab: Lab, truth: Any) -> Iterator[Check]:
        from quintet.timeseries.labclient import LabClient
        from quintet.timeseries.loading import known_files
        from quintet.timeseries.verify import checks

        with LabClient(lab, "reader") as client:
            yield from checks(truth, client, lambda: {entry["file"] for entry in known_files(lab)})

    def answers(self, lab: Lab) -> Iterator[Answer]:
        from quintet.timeseries.labclient import LabClient

        with LabClient(lab, "reader") as client:
            for title, statement in self.statements.items():
                found = client.sql(statement)
                yield title, found["columns"], found["rows"]


@dataclass(frozen=True)
class _Known:
    """An input with a truth: the folder, and what it is."""

    folder: Path
    source: str


class _Ecommerce(Proof):
    gate_remedy = (
        "Look at the quarantine: quintet sql 'select * from delta.silver_ecommerce.event_log__quarantine'; take back "
        "what the alert names (DAG ecommerce_withdraw_events) and have it sent again whole"
    )
    door = ("Flink", "flink")
    #: Title -> statement.
    statements = {  # noqa: RUF012
        "What became of the records": "select kind, sum(records) as records, sum(taken) as taken, sum(late) as late, "
        "sum(broken) as broken, sum(records - taken - late - broken) as repeated "
        "from postgres.live_ecommerce.handled group by 1 order by 2 desc",
        "Hours of most revenue": "select date_trunc('hour', minute) as hour, sum(orders) as orders, "
        "sum(revenue) as revenue, sum(page_views) as page_views from postgres.live_ecommerce.minutes "
        "group by 1 order by 3 desc limit 5",
        "Days, late events included": "select calendar_date, orders, pieces, revenue_eur, sessions, abandoned_carts "
        "from iceberg.gold_ecommerce.shop_days order by 1 desc limit 7",
        "Customers": "select segment, count(*) as customers, sum(revenue_eur) as revenue_eur "
        "from iceberg.gold_ecommerce.shop_customer_segments group by 1 order by 3 desc",
        "Searches without a result": "select query_text, searches_without_result as searches "
        "from iceberg.gold_ecommerce.shop_search_queries where searches_without_result > 0 order by 2 desc, 1 limit 5",
        "Sessions": "select count(*) as sessions, count_if(orders > 0) as with_order, "
        "count_if(is_abandoned) as abandoned_carts from iceberg.silver_ecommerce.sessions",
        "Suspicious orders": "select reason, count(*) as orders from postgres.live_ecommerce.suspicious_orders "
        "group by 1 order by 2 desc",
        "Newest shortages": "select product_id, minute, pieces, reorder_point from postgres.live_ecommerce.shortages "
        "order by minute desc, product_id limit 5",
        "Trending at the end": "select place, product_id, points from postgres.live_ecommerce.trending "
        "where window_begins_at = (select max(window_begins_at) from postgres.live_ecommerce.trending) order by 1",
    }

    def generate(self, out: Path, *, days: int, seed: int, poison_day: int | None) -> dict[str, Any]:
        from quintet.runs.elsewhere import generate_elsewhere

        return generate_elsewhere("ecommerce", out, days=days, seed=seed, poison_day=poison_day)

    def truth(self, given: Path | None, folder: Path) -> Any:
        path = given or folder / "truth.json"
        try:
            return _Known(path.resolve().parent, str(json.loads(path.read_text(encoding="utf-8"))["source"]))
        except (OSError, ValueError, KeyError) as error:
            raise VerifyError(
                f"nothing is known about the input {folder} ({error})",
                remedy="Name its truth with --truth, or run over generated input: quintet run ecommerce --fresh",
            ) from error

    def checks(self, lab: Lab, truth: Any) -> Iterator[Check]:
        from quintet.runs.programs import run_module

        for found in run_module(lab, "streaming", "quintet.ecommerce.proof", str(truth.folder)):
            yield Check(found["name"], found["expected"], found["actual"], found.get("where", ""))

    def answers(self, lab: Lab) -> Iterator[Answer]:
        from quintet.lake.trino import connect, query_with_names

        connection = connect(lab)
        for title, statement in self.statements.items():
            yield (title, *query_with_names(connection, statement))


_PROOFS: dict[str, type[Proof]] = {"lakehouse": _Lakehouse, "timeseries": _Timeseries, "ecommerce": _Ecommerce}


def proof_of(slug: str) -> Proof:
    """The proof of a project of the catalogue."""
    return _PROOFS[slug]()


def tell_checks(found: Sequence[Mapping[str, Any]], *, remedy: str, as_json: bool) -> None:
    """Print the checks of a proof, as `Check.as_json` gives them.

    Raises:
        VerifyError: something differs; `remedy` is what to do then.

    """
    failed = [check for check in found if not check["ok"]]
    if as_json:
        print_json({"checks": found})
    else:
        columns = ("name", "expected", "actual", *(("where",) if any("where" in check for check in found) else ()))
        print_table(
            ("", "check", *columns[1:]),
            [("ok" if check["ok"] else "WRONG", *(check.get(name, "") for name in columns)) for check in found],
        )
        say(f"{len(found) - len(failed)} passed, {len(failed)} failed")
    if failed:
        raise VerifyError(f"{len(failed)} of {len(found)} checks failed, first: {failed[0]['name']}", remedy=remedy)
