"""The check before anything is changed: all problems at once, each with its remedy, and nothing made."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from plays import ANSIBLE, Play

CHECK = [{"name": "Check", "ansible.builtin.include_role": {"name": "preflight"}}]
SMALL = {"needs": [], "memory_mb": 1, "disk_mb": 1}
HUGE = {"needs": [], "memory_mb": 900_000_000, "disk_mb": 900_000_000}


def free_ports() -> dict[str, int]:
    names = re.findall(r"^  (\w+): ", (ANSIBLE / "group_vars/all/ports.yml").read_text(encoding="utf-8"), re.MULTILINE)
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    found = {name: probe.getsockname()[1] for name, probe in zip(names, probes, strict=True)}
    for probe in probes:
        probe.close()
    return found


def demands(**changed: Any) -> dict[str, Any]:
    """What a machine that runs these tests can meet, with changes."""
    return {
        "profiles": "core",
        "profile_catalogue": {"core": SMALL},
        "ports": free_ports(),
        "service_user": getpass.getuser(),
        **changed,
    }


@pytest.mark.skipif(os.geteuid() != 0 and not shutil.which("sudo"), reason="a person without sudo cannot install")
def test_a_machine_that_is_ready_passes_and_nothing_is_made(play: Play, tmp_path: Path) -> None:
    done = play(CHECK, **demands())
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout
    assert not (tmp_path / "home").exists()


def test_one_run_names_every_problem_with_its_remedy_and_makes_nothing(play: Play, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = play(CHECK, **demands(profile_catalogue={"core": HUGE}, ports={**free_ports(), "trino": port}))
    told = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "This machine is not ready; nothing was changed." in told
    assert re.search(r"\d+ MB of memory are free, the chosen profiles need 900000000 MB\. Stop other programs", told)
    assert re.search(r"\d+ MB are free on the disk of \S+, the chosen profiles need 900000000 MB\. Make room", told)
    assert re.search(rf"port {port} \(ports\.trino\) is in use by \S+ \(process {os.getpid()}\)\. Stop that", told)
    assert "port_offset=100" in told
    assert not (tmp_path / "home").exists()


def test_ports_of_profiles_that_fit_are_not_named(play: Play) -> None:
    ports = free_ports()
    done = play(CHECK, **demands(profile_catalogue={"core": HUGE}, ports=ports))
    assert done.returncode != 0
    assert [port for port in ports.values() if f"port {port} " in done.stdout] == []


def test_ports_of_a_profile_count_only_where_it_is_chosen(play: Play) -> None:
    catalogue = {"core": SMALL, "streaming": {**SMALL, "ports": ["kafka"]}}
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = {**free_ports(), "kafka": holder.getsockname()[1]}
        without = play(CHECK, **demands(profile_catalogue=catalogue, ports=taken))
        chosen = play(CHECK, **demands(profile_catalogue=catalogue, ports=taken, profiles="core,streaming"))
    assert "(ports.kafka)" not in without.stdout
    assert chosen.returncode != 0
    assert "(ports.kafka) is in use" in " ".join(chosen.stdout.split())


def test_memory_of_all_chosen_profiles_is_summed(play: Play) -> None:
    part = {**SMALL, "memory_mb": 450_000_000}
    done = play(CHECK, **demands(profile_catalogue={"core": part, "streaming": part}, profiles="core,streaming"))
    assert "the chosen profiles need 900000000 MB" in " ".join(done.stdout.split())


def test_a_home_that_the_services_cannot_reach_is_refused(play: Play, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    done = play(CHECK, **demands(service_user="daemon"))
    told = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert f"the user daemon cannot pass through {tmp_path}." in told
    assert "Set QUINTET_HOME to a folder outside of it" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_refused(play: Play, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = play(CHECK, **demands())
    tmp_path.chmod(0o700)
    assert done.returncode != 0
    assert f"{tmp_path} cannot be written." in " ".join(done.stdout.split())
