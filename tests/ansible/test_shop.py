"""The product search as the playbook runs it: keys, what restarts it, where its feed is, and what the lab file says."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

import plays
from plays import Play, player
from quintet.webservice.tokens import AccessError, Tokens

SECRETS = {
    f"{owner}_{name}": f"secret {owner} {name}"
    for owner, names in {
        "shop": ("reader", "writer", "admin"),
        "search": ("reader", "writer"),
        "redis": ("quintet",),
        "postgres": ("shop",),
        "kafka": ("quintet",),
    }.items()
    for name in names
}
#: Up to here the role only writes files; what the role `service` does with its part is tested with that.
NEXT = "Find the release's code of the product search"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    found = tmp_path / "home"
    (found / "config").mkdir(parents=True)
    return found


def written(play: Play, *, told: str = "1", **variables: Any) -> str:
    """Play the role's tasks up to its first service, and tell some value."""
    given = {"profiles": "search", "secrets_values": SECRETS, **variables}
    return plays.written(play, "shop", before=NEXT, told=told, **given)


def test_keys_are_kept_as_digests_by_their_owner_and_allow_what_they_are_for(play: Play, home: Path) -> None:
    written(play)
    file = home / "config/shop/keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    assert not any(secret in text for secret in SECRETS.values())
    assert hashlib.sha256(SECRETS["shop_reader"].encode()).hexdigest() in text
    keys = Tokens.read(file)
    allowed = {"reader": {"read"}, "writer": {"read", "write"}, "admin": {"read", "write", "admin"}}
    for name, scopes in allowed.items():
        shown = f"Bearer {SECRETS[f'shop_{name}']}"
        for scope in ("read", "write", "admin"):
            if scope in scopes:
                assert keys.check(shown, scope) == name
            else:
                with pytest.raises(AccessError):
                    keys.check(shown, scope)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Play, dict[Path, str]]:
    """A home that the role was played for, and what it wrote there."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "home" / "config").mkdir(parents=True)
    play = player(folder / "play", folder / "home")
    written(play)
    noted, keys = (folder / "home/config/shop" / name for name in ("doors", "keys"))
    before = {file: file.read_text(encoding="utf-8") for file in (noted, keys)}
    assert len(before[noted].strip()) == 64, "a digest and nothing else"
    return play, before


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"secrets_values": {**SECRETS, "redis_quintet": "another"}},
        {"secrets_values": {**SECRETS, "search_writer": "another"}},
        {"port_offset": 100},
        {"secrets_values": {**SECRETS, "shop_reader": "another"}},
    ],
    ids=["nothing", "a password of Redis", "a password of search", "ports", "a key"],
)
def test_other_doors_and_passwords_are_noticed_without_being_told(
    played: tuple[Play, dict[Path, str]], other: dict[str, Any]
) -> None:
    play, before = played
    for file, text in before.items():
        file.write_text(text, encoding="utf-8")
    written(play, **other)
    changed = {file.name for file, text in before.items() if file.read_text(encoding="utf-8") != text}
    is_key = other.get("secrets_values", SECRETS)["shop_reader"] != SECRETS["shop_reader"]
    assert changed == ({"keys"} if is_key else {"doors"} if other else set())


def test_the_command_is_what_the_program_takes(play: Play, home: Path) -> None:
    own = yaml.safe_load((plays.ANSIBLE / "roles/shop/tasks/main.yml").read_text(encoding="utf-8"))
    given = [task["vars"] for task in own if task.get("ansible.builtin.include_role")]
    assert [entry["service_name"] for entry in given] == ["shop", "shop-feed"]
    words = [f"({entry['service_command'].strip().strip('{}')}) | join(' ')" for entry in given]
    said = written(play, told=" ~ ' and ' ~ ".join(words), port_offset=100)
    program = f"{home}/envs/search/bin/python -m quintet.ecommerce.search"
    served = f"serve --host 127.0.0.1 --port 18540 --keys {home}/config/shop/keys --requests-per-second 100"
    assert f"told {program} {served} and {program} feed." in said
