"""How a server's process ends: in order, with everything closed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["ended_by_signals"]

#: Exit code of each signal that asks a process to end.
_CODES = {signal.SIGTERM: 0, signal.SIGINT: 130}


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and SIGINT raise SystemExit, so that what the block opened is closed on the way out.

    uvicorn answers a signal by ending its requests and then sends itself the signal again: with the default action
    that ends the process before a store is closed. Only the first signal counts: a second one may not break closing.
    """

    def end(number: int, _: FrameType | None) -> None:
        for one in _CODES:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(_CODES[signal.Signals(number)])

    before = {one: signal.signal(one, end) for one in _CODES}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
