"""Empty the time-series database of the lab: every point, and the ledger of the files that were sent."""

from __future__ import annotations

from quintet.settings import Lab
from quintet.timeseries.labclient import LabClient
from quintet.timeseries.loading import forget

__all__ = ["reset"]


def reset(lab: Lab) -> None:
    """Delete everything, off the disk too. Raises ServiceDownError when the database does not answer."""
    with LabClient(lab, "admin") as client:
        client.admin("delete", match='{__name__=~".+"}')
        client.admin("compact")
    forget(lab)
