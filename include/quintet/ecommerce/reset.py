"""Empty the project for a run that begins anew: stop its streams, then empty what they read and write.

The index of products goes, too: the stock in it is that of the records that are deleted.
"""

from __future__ import annotations

from quintet.runs.programs import run_module
from quintet.settings import Lab

__all__ = ["reset"]

_JOBS = ("live_figures", "live_products")


def reset(lab: Lab) -> None:
    """Stop, then empty. Raises LabError when a program of it fails."""
    for job in _JOBS:
        run_module(lab, "airflow", "quintet.flink", "stop", f"ecommerce/{job}")
    run_module(lab, "streaming", "quintet.ecommerce.emptying")
    if "search" in lab.profiles:
        run_module(lab, "search", "quintet.ecommerce.search", "remove")
