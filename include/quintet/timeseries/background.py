"""The background thread of a store: syncs the log at intervals, writes full heads, compacts."""

from __future__ import annotations

import threading
from collections.abc import Callable

from quintet.errors import QuintetError
from quintet.timeseries.model import Options

__all__ = ["Worker"]

#: Seconds until what failed is tried again.
_PAUSE = 1.0


class Worker:
    """Runs `care` when woken and `sync` each interval; trouble is what failed last, empty when nothing did."""

    def __init__(self, care: Callable[[], None], sync: Callable[[], None], options: Options) -> None:
        self._care = care
        self._sync = sync
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.trouble = ""
        if options.background:
            self._start(self._run_care, "timeseries-care")
        if options.durability == "interval":
            self._interval = options.interval_ms / 1000
            self._start(self._run_sync, "timeseries-sync")

    def _start(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    def _run_care(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                self._care()
                self.trouble = ""
            except Exception as error:  # noqa: BLE001 a thread that ends in silence would let writers wait for ever
                self.trouble = str(error) or type(error).__name__
                self._stop.wait(_PAUSE)
                self._wake.set()

    def _run_sync(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self._sync()
            except QuintetError as error:
                self.trouble = str(error)

    def stop(self) -> None:
        """End the threads; what they do now is finished."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()
        self._threads = []
