"""Write an Ansible inventory from what Terraform made: `terraform output -json | python3 inventory.py FOLDER`.

FOLDER gets the files of ansible/inventories/homelab: hosts.yml, places.yml and group_vars/nodes.yml, so that `site.yml`
can be played on it. Needs nothing but Python.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["inventory_files"]

#: Groups that hold groups; every host has a proxy to the databases.
CHILDREN = {
    "proxies": ["nodes"],
    "trino": ["trino_coordinator", "trino_workers"],
    "flink": ["flink_jobmanager", "flink_taskmanagers"],
}
NODES = """---
lab_name: {name}
ansible_host: "{{{{ lab_address }}}}"
ansible_user: quintet-admin
ansible_become: true
"""
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


def inventory_files(name: str, hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Text of each file of the inventory `name`.

    Shapes: hosts: name → address, groups (the first host of a group by name is where its door is).
    Raises: ValueError when there is no host, or a name or an address is none.
    """
    if not hosts:
        raise ValueError("the output has no hosts: apply the environment first")
    groups: dict[str, list[str]] = {}
    for host in sorted(hosts):
        for group in hosts[host]["groups"]:
            groups.setdefault(group, []).append(host)
        if not _ADDRESS.fullmatch(hosts[host]["address"]):
            raise ValueError(f"{host} has no address: '{hosts[host]['address']}'")
    for word in [name, *hosts, *groups]:
        if not _NAME.fullmatch(word):
            raise ValueError(f"'{word}' is no name of a lab, host or group")
    lines = [f"    {host}: {{lab_address: {hosts[host]['address']}}}" for host in sorted(hosts)]
    return {
        "hosts.yml": "---\nlab:\n  children: {nodes: {}}\nnodes:\n  hosts:\n" + "".join(f"{line}\n" for line in lines),
        "places.yml": "---\n" + "".join(f"{group}: {content}\n" for group, content in _places(groups)),
        "group_vars/nodes.yml": NODES.format(name=name),
    }


def _places(groups: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    children = [(group, f"{{children: {_keys(inner)}}}") for group, inner in CHILDREN.items()]
    return children + [(group, f"{{hosts: {_keys(hosts)}}}") for group, hosts in groups.items()]


def _keys(names: Sequence[str]) -> str:
    return "{" + ", ".join(f"{name}: {{}}" for name in names) + "}"


def main(arguments: Sequence[str]) -> int:
    """Read the output on standard input, write the folder; 0, or 1 with a message."""
    if len(arguments) != 1 or arguments[0] == "--help":
        sys.stdout.write(f"{__doc__}")
        return 0 if arguments == ["--help"] else 2
    folder = Path(arguments[0])
    try:
        hosts = json.load(sys.stdin)["hosts"]["value"]
        files = inventory_files(folder.name, hosts)
    except (ValueError, KeyError) as error:
        reason = f"no output '{error.args[0]}'" if isinstance(error, KeyError) else error
        sys.stderr.write(f"inventory.py: {reason}; give it what `terraform output -json` prints\n")
        return 1
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
