"""Kafka Connect's REST door."""

from __future__ import annotations

import json
import time
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quintet.cdc.errors import CaptureError
from quintet.errors import ServiceDownError
from quintet.settings import Lab
from quintet.urldoor import JSON, ask

__all__ = ["Connect", "State"]

#: Seconds for one answer, and for a worker that hands its connectors over, which answers 409 meanwhile.
ANSWER, HAND_OVER = 30, 60
_UNKNOWN, _BUSY = 404, 409


@dataclass(frozen=True)
class State:
    """State of a connector and of its tasks, in Connect's words; `trace` is the first cause of a failure."""

    connector: str
    tasks: tuple[str, ...]
    trace: str = ""

    @property
    def is_running(self) -> bool:
        """The connector and at least one task run, and none does anything else."""
        return self.connector == "RUNNING" and set(self.tasks) == {"RUNNING"}

    @property
    def has_failed(self) -> bool:
        """The connector or one of its tasks has failed and will not start by itself."""
        return "FAILED" in {self.connector, *self.tasks}


class Connect:
    """Client of one worker, and through it of its group."""

    def __init__(self, url: str) -> None:
        self._url = url

    @classmethod
    def of(cls, lab: Lab) -> Connect:
        """The lab's worker."""
        return cls(lab.endpoint("connect").url)

    def names(self) -> list[str]:
        """Names of all connectors. Raises ServiceDownError."""
        return list(self._ask("GET", "/connectors"))

    def config(self, name: str) -> dict[str, str] | None:
        """Configuration of a connector as it was given, secrets by their names; None: there is none."""
        found = self._ask("GET", f"/connectors/{name}", unknown=None)
        return None if found is None else dict(found["config"])

    def put(self, name: str, config: Mapping[str, str]) -> None:
        """Make a connector, or give it another configuration.

        Raises:
            CaptureError: Connect finds the configuration wrong.
            ServiceDownError: nobody answers.

        """
        self._ask("PUT", f"/connectors/{name}/config", config)

    def state(self, name: str) -> State | None:
        """State of a connector; None: there is none, or it was just made. Raises ServiceDownError."""
        found = self._ask("GET", f"/connectors/{name}/status", unknown=None)
        if found is None:
            return None
        traces = [part.get("trace", "") for part in (found["connector"], *found["tasks"])]
        tasks = tuple(task["state"] for task in found["tasks"])
        return State(found["connector"]["state"], tasks, root_cause(next(filter(None, traces), "")))

    def restart(self, name: str) -> None:
        """Start what has failed of a connector again."""
        self._ask("POST", f"/connectors/{name}/restart?includeTasks=true&onlyFailed=true")

    def stop(self, name: str) -> None:
        """End the tasks; configuration and offsets stay."""
        self._ask("PUT", f"/connectors/{name}/stop")

    def resume(self, name: str) -> None:
        """Start the tasks again where they stopped."""
        self._ask("PUT", f"/connectors/{name}/resume")

    def offsets(self, name: str) -> list[dict[str, Any]]:
        """Where the source has got to, in its own words; empty when it has not begun."""
        found = self._ask("GET", f"/connectors/{name}/offsets", unknown={"offsets": []})
        return list(found["offsets"])

    def forget_offsets(self, name: str) -> None:
        """Have a stopped connector begin anew. Raises CaptureError when it is not stopped."""
        self._ask("DELETE", f"/connectors/{name}/offsets")

    def remove(self, name: str) -> None:
        """Take a connector away; nothing happens when there is none. Its offsets stay."""
        self._ask("DELETE", f"/connectors/{name}", unknown=None)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **default: Any) -> Any:
        end = time.monotonic() + HAND_OVER
        while True:
            try:
                return self._answer(method, path, body)
            except urllib.error.HTTPError as error:
                said = error.read().decode(errors="replace")
                if error.code == _UNKNOWN and "unknown" in default:
                    return default["unknown"]
                # Also the answer to a request that makes no sense now: then it stays so, and is told.
                if error.code != _BUSY or time.monotonic() > end:
                    raise CaptureError(
                        f"Kafka Connect answered {method} {path} with {error.code}: {_message(said)}"
                    ) from error
                time.sleep(1)
            except (urllib.error.URLError, OSError) as error:
                raise ServiceDownError(
                    f"Kafka Connect does not answer at {self._url} ({error})", remedy="Run: quintet doctor"
                ) from error

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        _, content = ask(self._url + path, method=method, body=body, headers=JSON, timeout=ANSWER)
        return json.loads(content or b"null")


def root_cause(trace: str) -> str:
    """The last cause of a Java stack trace, in one line."""
    causes = [line for line in trace.splitlines() if line and not line.startswith(("\t", " ")) and line != "..."]
    return causes[-1].removeprefix("Caused by: ").strip() if causes else ""


def _message(said: str) -> str:
    try:
        return str(json.loads(said)["message"])[-1000:]
    except (ValueError, KeyError, TypeError):
        return said[-500:]
