"""Every role says what it promises and takes, and its specification is what its defaults are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plays import ANSIBLE

ROLES = sorted(path for path in (ANSIBLE / "roles").iterdir() if path.is_dir())
#: A README is read before a change: it has to fit on one screen.
README_LINES = 25

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def content(path: Path) -> Any:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def tasks(role: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((role / "tasks").glob("*.yml")))


@each_role
def test_the_readme_opens_with_the_promise_and_is_short(role: Path) -> None:
    lines = (role / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# Role {role.name}"
    assert lines[2].startswith("**Promise.**")
    assert len(lines) <= README_LINES


@each_role
def test_the_specification_is_typed_and_equals_the_defaults(role: Path) -> None:
    main = content(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]
    assert main["short_description"]
    options = main["options"]
    assert {name: option["default"] for name, option in options.items()} == content(role / "defaults" / "main.yml")
    assert [name for name, option in options.items() if not option.get("type") or not option.get("description")] == []


@each_role
def test_public_variables_carry_the_name_of_the_role(role: Path) -> None:
    foreign = [name for name in content(role / "defaults" / "main.yml") if not name.startswith(f"{role.name}_")]
    assert foreign == []


@pytest.mark.parametrize(
    "role", [role for role in ROLES if "name: service\n" in tasks(role)], ids=lambda role: role.name
)
def test_a_role_that_runs_a_service_proves_it_by_using_it(role: Path) -> None:
    assert content(role / "tasks" / "check.yml"), f"{role.name} has no tasks/check.yml"
    assert "ansible.builtin.import_tasks: check.yml" in (role / "tasks" / "main.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("server", ["postgresql", "redis"])
def test_clients_of_what_has_a_primary_ask_for_its_door(server: str) -> None:
    """A node's own address is that of its own server, which on five nodes is a replica or none at all."""
    of_servers = {"exporters", server, "proxy"}
    port = "postgres" if server == "postgresql" else server
    beside_the_door = re.compile(rf"bind_address\b[^{{]*\{{\{{ *ports\.{port}\b")
    found = {
        role.name
        for role in ROLES
        for path in role.rglob("*")
        if path.suffix in {".yml", ".j2"} and beside_the_door.search(path.read_text(encoding="utf-8"))
    }
    assert found - of_servers == set()


def test_the_playbook_takes_every_role_that_is_not_called_by_another() -> None:
    taken = [entry["role"] for play in content(ANSIBLE / "site.yml") for entry in play["roles"]]
    # A rolling restart installs nothing: it has a playbook of its own.
    assert sorted(taken) == sorted({role.name for role in ROLES} - {"service", "rolling"})
