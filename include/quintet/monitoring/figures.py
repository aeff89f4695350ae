"""Figures as Prometheus reads them: its text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Figure", "exposed"]

#: What a name ends with that counts up; the others are gauges.
COUNTED = "_total"


@dataclass(frozen=True)
class Figure:
    """One value; units are in the name, times are seconds since the epoch."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def exposed(figures: Iterable[Figure]) -> str:
    """Text of the figures, those of one name together.

    Source: Prometheus documentation, exposition formats, text-based format.
    """
    named: dict[str, list[str]] = {}
    for figure in figures:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(figure.labels.items()))
        line = f"{figure.name}{{{labels}}} {figure.value!r}" if labels else f"{figure.name} {figure.value!r}"
        named.setdefault(figure.name, []).append(line)
    parts = []
    for name in sorted(named):
        parts += [f"# TYPE {name} {'counter' if name.endswith(COUNTED) else 'gauge'}", *named[name]]
    return "\n".join([*parts, ""])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
