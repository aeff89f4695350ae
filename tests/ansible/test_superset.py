"""Superset as the playbook configures it: closed to others, nothing asked outside, and stamps that say what changed."""

from __future__ import annotations

import ast
import stat
from pathlib import Path
from typing import Any

import pytest

import plays
from plays import ANSIBLE, Play

SECRETS = {
    name: f"secret-{name}" for name in ("postgres_superset", "superset_admin", "superset_viewer", "superset_secret_key")
}
#: Up to here the role only writes files.
ASKED = "Ask whether the database has its form"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    found = tmp_path / "home"
    for folder in ("config", "data"):
        (found / folder).mkdir(parents=True)
    return found


def written(play: Play, *, told: str, **variables: Any) -> str:
    """Play the role's tasks up to its first question, and tell some value."""
    given = {"profiles": "dashboards", "secrets_values": SECRETS, **variables}
    return plays.written(play, "superset", before=ASKED, told=told, **given)


def settings(file: Path) -> dict[str, Any]:
    """Values of the configuration that are written out."""
    found = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # a name of another module
                continue
    return found


def test_the_configuration_is_closed_to_others_and_lets_pages_load_from_the_lab_only(play: Play, home: Path) -> None:
    written(play, told="1", port_offset=100)
    file = home / "config/superset/superset_config.py"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = settings(file)
    database = "postgresql+psycopg2://superset:secret-postgres_superset@127.0.0.1:15532/superset"
    assert found["SQLALCHEMY_DATABASE_URI"] == database
    keys = [found[name] for name in ("SECRET_KEY", "GUEST_TOKEN_JWT_SECRET", "GLOBAL_ASYNC_QUERIES_JWT_SECRET")]
    assert len(set(keys)) == 3
    sources = found["TALISMAN_CONFIG"]["content_security_policy"].values()
    assert [source for source in sources if "." in str(source)] == []


def test_stamps_tell_of_passwords_and_hide_them(play: Play) -> None:
    both = "_superset_stamp ~ ' ' ~ _superset_people_stamp ~ ' ' ~ (_superset_variables | to_json)"
    plain = written(play, told=both)
    assert not any(secret in plain for secret in SECRETS.values())
    first = plain.split("told ")[1].split()
    again = written(play, told=both).split("told ")[1].split()
    other = {**SECRETS, "superset_viewer": "another"}
    changed = written(play, told=both, secrets_values=other).split("told ")[1].split()
    assert first[:2] == again[:2]
    assert first[0] == changed[0]
    assert first[1] != changed[1]


def test_no_secret_is_asked_for_where_there_are_no_dashboards(play: Play) -> None:
    take = [
        {"name": "Take", "ansible.builtin.include_vars": str(ANSIBLE / "roles/secrets" / part)}
        for part in ("defaults/main.yml", "vars/main.yml")
    ]
    tell = {"name": "Tell", "ansible.builtin.debug": {"msg": "wanted {{ _secrets_wanted | join(' ') }}."}}
    variables = {"service_user": "somebody", "service_group": "some"}
    without, with_them = (
        play([*take, tell], profiles=name, **variables).stdout for name in ("lakehouse", "dashboards")
    )
    assert "superset" not in without
    for name in SECRETS:
        assert f"{name}:text" in with_them
