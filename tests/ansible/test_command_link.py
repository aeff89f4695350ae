"""The command on the PATH: linked where nothing is, never put over what is somebody else's, removed when it is ours."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from plays import ANSIBLE, Play

COMMAND = ANSIBLE.parent / "quintet"


def part(name: str) -> list[dict[str, object]]:
    include = {"name": "lab", "tasks_from": name}
    note = {"name": "Note", "ansible.builtin.debug": {"msg": "note: {{ lab_command_note | default('') }}"}}
    return [{"name": "Part", "ansible.builtin.include_role": include}, note]


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "bin" / "quintet"


def test_the_command_is_linked_once_and_works_through_the_link(play: Play, link: Path) -> None:
    first = play(part("command"), command_link=str(link))
    assert first.returncode == 0, first.stdout
    assert link.readlink() == COMMAND
    assert f"{link.parent} is not on the PATH" in first.stdout
    assert "changed=0" in play(part("command"), command_link=str(link)).stdout
    environment = {**os.environ, "PATH": f"{link.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["quintet", "--help"], cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Exit codes" in done.stdout


def test_a_link_to_another_clone_is_left_alone_and_named(play: Play, link: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "quintet"
    link.parent.mkdir()
    link.symlink_to(other)
    done = play([*part("command"), *part("remove_command")], command_link=str(link))
    assert done.returncode == 0, done.stdout
    assert f"{link} is not a link to this clone and was left alone; use {COMMAND}" in done.stdout
    assert link.readlink() == other


def test_a_file_in_its_place_is_left_alone(play: Play, link: Path) -> None:
    link.parent.mkdir()
    link.write_text("mine", encoding="utf-8")
    done = play([*part("command"), *part("remove_command")], command_link=str(link))
    assert done.returncode == 0, done.stdout
    assert f"{link} is not a link to this clone" in done.stdout
    assert link.read_text(encoding="utf-8") == "mine"


def test_our_link_goes_with_the_lab_unless_the_default_lab_uses_it(play: Play, link: Path, tmp_path: Path) -> None:
    link.parent.mkdir()
    link.symlink_to(COMMAND)
    default = tmp_path / "default"
    (default / "config").mkdir(parents=True)
    (default / "config" / "lab.yaml").touch()
    play(part("remove_command"), command_link=str(link), _quintet_default_home=str(default))
    assert link.is_symlink()
    (default / "config" / "lab.yaml").unlink()
    done = play(part("remove_command"), command_link=str(link), _quintet_default_home=str(default))
    assert done.returncode == 0, done.stdout
    assert not link.is_symlink()
