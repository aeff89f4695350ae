"""What benchmarks share: the input they measure on, a lab file of their own, and the lines that the recording reads."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the environment of the peers cannot import it
    from quintet.settings import Lab

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests"))


def progress(text: str) -> None:
    """Tell the person who waits; not part of the record."""
    sys.stderr.write(f"   {text}\n")
    sys.stderr.flush()


def headline(text: str) -> None:
    """The one sentence of a benchmark: the index shows it."""
    sys.stdout.write(f"**Headline:** {text}.\n\n")


def skip(reason: str) -> int:
    """Say that nothing was measured and why; the exit code."""
    sys.stdout.write(f"skipped: {reason}\n")
    return 0


def raw(rows: Iterable[Mapping[str, Any]]) -> None:
    """Every single figure, one JSON object a line."""
    sys.stdout.write("```json\n" + "\n".join(json.dumps(row) for row in rows) + "\n```\n")


def percentiles(begun: Mapping[int, float], ended: Mapping[int, float]) -> dict[str, float]:
    """Milliseconds between instants (seconds) of all that have both: p50, p95, p99 by nearest rank, and the most."""
    took = sorted(1000 * (ended[name] - at) for name, at in begun.items() if name in ended)
    shares = {f"p{share}": took[math.ceil(len(took) * share / 100) - 1] for share in (50, 95, 99)}
    return {"samples": len(took), **{name: round(value, 1) for name, value in (shares | {"max": took[-1]}).items()}}


@contextmanager
def tidy_end() -> Iterator[None]:
    """Let a polite kill unwind like Ctrl-C, so that what was begun is taken away again."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def peer_python() -> str:
    """Interpreter of the peers' environment (QUINTET_BENCH_PYTHON names another); it is made when it is absent."""
    configured = os.environ.get("QUINTET_BENCH_PYTHON")
    if configured:
        return configured
    subprocess.run([ROOT / "scripts" / "env", "bench"], check=True, stdout=sys.stderr)
    return str(ROOT / ".venv-bench" / "bin" / "python")


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


def scratch_lab(home: Path, *, jars: Path | None = None) -> Lab:
    """A lab file with empty folders and tables, and no service behind it."""
    from labs import lab_below
    from quintet.lake.create import create_tables

    lab = lab_below(home, jars=jars)
    create_tables(lab, trino=False)
    return lab
