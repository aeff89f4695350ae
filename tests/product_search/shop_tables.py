"""Tables of a shop of a few products of each type."""

from __future__ import annotations

from pathlib import Path

from quintet.ecommerce.generator import Scale, write_catalogue
from quintet.ecommerce.simulation import Simulation

__all__ = ["catalogue_below"]

START_MS = 1_735_689_600_000


def catalogue_below(folder: Path, *, products: int) -> Path:
    """Folder of the tables; there are a hundred types."""
    simulation = Simulation(11, START_MS, START_MS + 3_600_000, Scale(products=products, users=50))
    write_catalogue(folder, simulation.shop)
    return folder / "catalogue"
