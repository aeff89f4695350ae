"""Output of the playbooks: Ansible's own, but a task that waits says so every ten seconds in one line.

Ansible's own callback prints "FAILED - RETRYING" for each look at something that is not ready yet, which reads as if
something had failed.
"""

from __future__ import annotations

import time

from ansible.plugins.callback.default import CallbackModule as Default

DOCUMENTATION = """
name: progress
type: stdout
short_description: The default output with calm waiting
description: Waiting for something is told every ten seconds instead of at every look.
extends_documentation_fragment: [default_callback, result_format_callback]
"""

#: Seconds between two lines about one wait.
PACE = 10.0


class CallbackModule(Default):
    """The default output with calm waiting."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "progress"

    def __init__(self) -> None:
        super().__init__()
        self._begun: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def v2_runner_retry(self, result: object) -> None:
        """Tell how long the task of `result` has waited, when it was not told lately."""
        task = result._task
        label = result._result.get("_ansible_item_label") or ""
        now = time.monotonic()
        begun = self._begun.setdefault(task._uuid, now)
        if now - self._told.setdefault(task._uuid, begun) >= PACE:
            self._told[task._uuid] = now
            self._display.display(f"... {task.get_name()}{label and f' ({label})'}: {now - begun:.0f} s")
