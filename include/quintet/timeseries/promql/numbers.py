"""Numbers and times as Prometheus' API writes them."""

from __future__ import annotations

import math
from decimal import Decimal

__all__ = ["number_text", "time_number"]


def number_text(value: float) -> str:
    """Shortest text that reads back as the same double; an exponent below 1e-6 and from 1e21 on."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" in text and 1e-6 <= abs(value) < 1e21:
        return format(Decimal(text), "f")
    if "e" not in text and value and abs(value) < 1e-6:
        return f"{value:e}"
    return text


def time_number(nanoseconds: int) -> float | int:
    """Seconds since the epoch, to the millisecond as the API's clients expect."""
    milliseconds = nanoseconds // 1_000_000
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000
