"""Transport of Airflow's OpenLineage events to the lab's collector.

In airflow.cfg: `[openlineage] transport = {"type": "quintet.airflow.lineage.transport.LabTransport"}`. The address
and the secret are read from the lab file; what cannot be delivered waits, as for every other job.
"""

from __future__ import annotations

import json
from typing import Any

from openlineage.client.serde import Serde
from openlineage.client.transport import Config, Transport

from quintet.lineage import emit
from quintet.settings import load_lab

__all__ = ["LabTransport"]


class LabTransport(Transport):
    """Delivers as `quintet.lineage.emit` does."""

    kind = "lab"
    config_class = Config

    def __init__(self, config: Config) -> None:
        self._config = config

    def emit(self, event: Any) -> int:
        """Deliver one event; the number of events that were delivered."""
        return emit.deliver(load_lab(), [json.loads(Serde.to_json(event))])
