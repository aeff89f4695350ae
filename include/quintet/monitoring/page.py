"""The page about what is watched: the file of rules as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["RULES", "monitoring_page", "rules"]

RULES = Path(__file__).with_name("alerts.yml")

INTRODUCTION = """\
# Monitoring

Generated from the rules by `quintet docs`.

The profile `monitoring` watches the lab with Prometheus and Alertmanager: `make install PROFILES=…,monitoring`. Alerts
come into the lab's alert log beside those of the projects, so that `quintet doctor`, the page Lab and the webhook of
the inventory tell both; when the cause is gone, the alert is closed there.

Both pages want a password: the user is `admin`, `quintet secrets show monitoring_admin` tells the password. The
exporters listen on loopback, or on the lab's network where it has several nodes, and ask for none. Figures are kept as
long as `monitoring_retention` and `monitoring_retention_size` say.

| what | figures from | runs on |
|---|---|---|
| node: processor, memory, disks, network | node exporter | every node |
| PostgreSQL | postgres exporter, as the role `monitor` with `pg_monitor` | each server |
| Redis | redis exporter, as the user `monitor` who may ask for figures only | its node |
| Kafka, Connect | an agent in the service (JMX exporter), loaded with this profile only | each broker and worker |
| Flink: jobs, restarts, checkpoints | its REST interface, asked by the service `monitor` | |
| readers of topics: messages they are behind | the brokers, asked by the service `monitor` | |
| Trino | its own `/metrics` | each server |
| Airflow: heartbeats, failed tasks | its API, asked by the service `monitor` as `viewer` | |
| backups of PostgreSQL: age, recovery point and time | notes of the last backup and drill, read by `monitor` | |
| time-series database | its own `/metrics` | |
| search | elasticsearch exporter, as the user `reader` | its first node |
| product search | its own `/metrics` | |
| doors of all services, certificates | connections of the service `monitor` | |

"""


def rules() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every rule with the name of its group, in the order of the file."""
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield group["name"], rule


def monitoring_page() -> str:
    """Markdown of the page."""
    parts = [INTRODUCTION, "## Alerts\n"]
    lines = ["| alert | severity | holds for | when | what to do |", "|---|---|---|---|---|"]
    for _, rule in rules():
        notes, expression = rule["annotations"], " ".join(rule["expr"].split()).replace("|", "\\|")
        cells = (rule["alert"], rule["labels"]["severity"], rule["for"], f"`{expression}`", _readable(notes["remedy"]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*parts, *lines, ""])


def _readable(text: str) -> str:
    """A note without the language of Prometheus' templates: `{{ $labels.node }}` is `NODE`."""
    words = text.replace("{{ $labels.", "\0").split("\0")
    return words[0] + "".join(word.partition(" }}")[0].upper() + word.partition(" }}")[2] for word in words[1:])
