"""Generators that need more than the command's own environment: found, started there, their answer taken."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from quintet import errors
from quintet.call import RESULT
from quintet.errors import LabError, QuintetError, SettingsError
from quintet.settings import lab_path, load_lab

__all__ = ["GENERATORS", "generate_elsewhere"]

#: Project -> environment and function of its generator.
GENERATORS = {"ecommerce": ("streaming", "quintet.ecommerce.generator:run")}
_ROOT = Path(__file__).resolve().parents[3]


def generate_elsewhere(slug: str, out: Path, *, days: int, seed: int, poison_day: int | None) -> dict[str, Any]:
    """Write an input; figures of its truth.

    Raises:
        SettingsError: the generator's environment is not there.
        QuintetError: what the generator raises.

    """
    environment, function = GENERATORS[slug]
    arguments = {"out": str(out.resolve()), "days": days, "seed": seed, "poison_day": poison_day}
    done = subprocess.run(
        [str(_python(environment)), "-m", "quintet.call", function],
        input=json.dumps(arguments),
        env={**os.environ, "PYTHONPATH": str(_ROOT / "include")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise _raised(done.returncode, done.stderr.strip())
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(RESULT)]
    return dict(json.loads(line.removeprefix(RESULT)))


def _python(environment: str) -> Path:
    """Interpreter of an environment: the lab's, else the repository's."""
    if lab_path().exists() and environment in (known := load_lab().environments):
        return known[environment].python
    python = _ROOT / f".venv-{environment}" / "bin" / "python"
    if not python.exists():
        raise SettingsError(
            f"this generator runs in the environment {environment}, which is not installed",
            remedy=f"Run: scripts/env {environment}",
        )
    return python


def _raised(code: int, told: str) -> QuintetError:
    known = (getattr(errors, name) for name in errors.__all__)
    # Of classes with one code the general one, which stands first.
    kind = next((found for found in known if found.exit_code == code and found is not QuintetError), None)
    return LabError(f"the generator failed: {told[-1500:]}") if kind is None else kind(told)
