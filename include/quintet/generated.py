"""Generated input of any project: what its generator refuses, and the file with the truth about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from quintet.errors import InputError, VerifyError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["FILE_NAME", "poison_of", "read_truth", "refuse_days", "refuse_filled", "write_truth"]

#: Form of the files with the truth, and their name in an input folder.
FORMAT, FILE_NAME = 1, "truth.json"

Truth = TypeVar("Truth")


def refuse_days(days: int, poison_day: int | None) -> None:
    """Refuse an input without days, or with a poison day beyond them.

    Raises:
        InputError: it is one.

    """
    if days < 1 or (poison_day is not None and not 1 <= poison_day <= days):
        raise InputError(f"there is no day {poison_day or days} in {days} days", remedy="Count days from 1")


def refuse_filled(out: Path, folder: Path) -> None:
    """Refuse an input whose folder of days has files: they would be a mixture of two.

    Raises:
        InputError: it has.

    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"the folder {out} holds an input already", remedy="Name an empty folder or remove it first")


def poison_of(out: Path, poison: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What the truth says about the poisoned day.

    Raises:
        InputError: there is none.

    """
    if poison is None:
        raise InputError(f"the input in {out} has no poison day", remedy="Generate one with --poison-day")
    return poison


def write_truth(path: Path, truth: DataclassInstance, **more: Any) -> None:
    """Write as JSON, the same bytes for the same truth. more: what readers of the file want beside the fields."""
    text = json.dumps({"format": FORMAT, **asdict(truth), **more}, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def read_truth(path: Path, slug: str, made: Callable[[dict[str, Any]], Truth]) -> Truth:
    """Read a file with the truth of a project's input. made: the truth of its content.

    Raises:
        VerifyError: the file is absent, unreadable or of another form.

    """
    remedy = f"Generate the input again: quintet generate {slug}"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VerifyError(f"the truth file {path} cannot be read ({error})", remedy=remedy) from error
    if not isinstance(raw, dict) or raw.pop("format", None) != FORMAT:
        raise VerifyError(f"the truth file {path} is not of form {FORMAT}", remedy=remedy)
    try:
        return made(raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise VerifyError(f"the truth file {path} is damaged ({error})", remedy=remedy) from error
