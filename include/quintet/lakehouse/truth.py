"""The truth of an input folder: what must come out of the pipeline, known before it runs.

A truth is a flat set of metrics (`expect`), the same by day (`daily`) and by file (`per_file`), and for a poisoned
input what is broken and how it is repaired. Money is a decimal string in GBP with four places. Absent metrics are not
checked, so that real data with fewer known facts has the same form.

Metrics over bronze, every line as received, null where a field is empty:
`bronze_lines`, `invoices`, `stock_codes`, `customers`, `countries` (distinct values as received), `guest_lines`
(without customer), `cancellation_lines` (invoice starts with C), `net_value_gbp` (quantity x price over the lines
where both are numbers), `customer_change_lines`, `product_change_lines`, `files`.

Metrics over silver: `exact_duplicates`, `business_duplicates`, `quarantined` (surplus or broken lines),
`silver_lines`, `sales`, `returns`, `adjustments`, `fees` (lines by type), `silver_net_value_gbp`, `silver_invoices`,
`silver_products`, `silver_customers`, `silver_countries` (distinct, normalised), `matched_returns` (returns with the
sale they reverse).

Metrics over the dimensions: `dim_customers`, `customer_versions`, `deleted_customers`, `previous_segment_customers`
(customers whose segment ever changed), `dim_products`, `product_versions`, `deleted_products` (rows with is_product
only).

By day: `bronze_lines` (day of the file), `silver_lines`, `revenue_gbp` (sales), `returns_gbp`, `net_gbp` (all types)
by trade date. By file: `bronze_lines`, `silver_lines`, `exact_duplicates`, `business_duplicates`, `quarantined`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quintet.generated import FILE_NAME, read_truth, write_truth

__all__ = ["FILE_NAME", "UNITS", "Truth", "money"]

#: Money is counted in these parts of a pound.
UNITS = 10_000


@dataclass(frozen=True)
class Truth:
    """What must come out; see the module for the metrics."""

    source: str
    expect: Mapping[str, int | str]
    files: Mapping[str, Mapping[str, str]]
    seed: int | None = None
    days: int | None = None
    start: str | None = None
    daily: Mapping[str, Mapping[str, int | str]] = field(default_factory=dict)
    per_file: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    defects: Mapping[str, int] = field(default_factory=dict)
    poison: Mapping[str, Any] | None = None

    def write(self, path: Path) -> None:
        """Write as JSON, the same bytes for the same truth."""
        write_truth(path, self)

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Read a truth file.

        Raises:
            VerifyError: the file is absent, unreadable or of another form.

        """
        return read_truth(path, "lakehouse", lambda raw: cls(**raw))


def money(units: int) -> str:
    """Units of 1/10,000 GBP as a decimal string with four places."""
    sign = "-" if units < 0 else ""
    return f"{sign}{abs(units) // UNITS}.{abs(units) % UNITS:04d}"
