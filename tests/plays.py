"""Playing parts of the real roles with `ansible-playbook`, against a lab below a test's own folder."""

from __future__ import annotations

import getpass
import grp
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

ANSIBLE = Path(__file__).parents[1] / "ansible"
#: Seconds that stop a hanging run and measure nothing.
LIMIT = 120
#: Who tests as whom services run.
OWNER = {"service_user": getpass.getuser(), "service_group": grp.getgrgid(os.getgid()).gr_name}

Play = Callable[..., subprocess.CompletedProcess[str]]


def player(folder: Path, home: Path, inventory: Path = ANSIBLE / "inventories" / "local") -> Play:
    """Return `play(tasks, **variables)`: the finished run of these tasks with the repository's group variables.

    `each` repeats the tasks in the same run, once with each of these sets of variables.
    """
    folder.mkdir()
    (folder / "group_vars").symlink_to(ANSIBLE / "group_vars")
    environment = {
        **os.environ,
        "QUINTET_HOME": str(home),
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "remote"),
    }

    def run(
        tasks: list[dict[str, Any]], *, each: Sequence[dict[str, Any]] = ({},), **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        book = folder / "book.yml"
        plays = [{"name": "Play", "hosts": "lab", "vars": own, "tasks": tasks} for own in each]
        book.write_text(yaml.safe_dump(plays), encoding="utf-8")
        program = Path(sys.executable).with_name("ansible-playbook")
        given = {"repo": str(ANSIBLE.parent), **variables}
        return subprocess.run(
            [program, "-i", inventory, book, "-e", json.dumps(given)],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            check=False,
        )

    return run


def written(play: Play, role: str, *, before: str, told: str, **variables: Any) -> str:
    """Play the role's tasks before the one of this name, which only write files, as this user; tell some value.

    Returns what the run said. Nothing of it is hidden: what must not be told can be looked for.
    """
    say = {"name": "Tell", "ansible.builtin.debug": {"msg": "told {{ " + told + " }}."}}
    done = play([*writing(role, before), say], **OWNER, **variables)
    assert done.returncode == 0, done.stdout
    return done.stdout


def writing(role: str, before: str) -> list[dict[str, Any]]:
    """The role's tasks before the one of this name, with its variables."""
    folder = ANSIBLE / "roles" / role
    take: list[dict[str, Any]] = [
        {"name": "Take", "ansible.builtin.include_vars": str(folder / part)}
        for part in ("defaults/main.yml", "vars/main.yml")
        if (folder / part).exists()
    ]
    tasks = yaml.safe_load((folder / "tasks/main.yml").read_text(encoding="utf-8"))
    own = tasks[: [task["name"] for task in tasks].index(before)]
    for task in own:
        for kind, place in (("template", "templates"), ("copy", "files")):
            if "src" in task.get(f"ansible.builtin.{kind}", {}):
                task[f"ansible.builtin.{kind}"]["src"] = f"{folder / place}/{task[f'ansible.builtin.{kind}']['src']}"
        task.pop("no_log", None)
    return [*take, *own]
