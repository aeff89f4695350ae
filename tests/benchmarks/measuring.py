"""What benchmarks share: the input they measure on, and a lab file of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the environment of the peers cannot import it
    from quintet.settings import Lab

sys.path.append(str(Path(__file__).parents[1]))


def real_days() -> Path | None:
    """Folder of the Online Retail set; None: absent."""
    from paths import retail_days

    return retail_days()


def input_folder(scratch: Path) -> tuple[Path, str]:
    """Folder of invoice files and what they are: the real days, else generated ones of the same size in `scratch`."""
    from quintet.lakehouse.generator import Scale, generate

    days = real_days()
    if days:
        return days, "the 305 days of the Online Retail set"
    generate(scratch, days=60, scale=Scale(orders_per_day=900, customers=4000, products=3000))
    return scratch / "by_day", "60 generated days"


def scratch_lab(home: Path) -> Lab:
    """A lab file with empty folders and tables, and no service behind it."""
    from labs import lab_below
    from quintet.lake.create import create_tables

    lab = lab_below(home)
    create_tables(lab, trino=False)
    return lab
