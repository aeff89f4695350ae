"""PostgreSQL's files as Ansible writes them, twice; and what no playbook removes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from plays import ANSIBLE, Play

ROLE = ANSIBLE / "roles" / "postgresql"
GIVEN = {
    "__postgresql_home": {"stdout": "/usr/lib/postgresql/15"},
    "secrets_values": dict.fromkeys(("postgres_patroni", "postgres_replicator", "postgres_rewinder"), "word"),
}


def test_the_log_is_archived_by_one_server_and_by_several_and_a_second_run_changes_nothing(
    play: Play, tmp_path: Path
) -> None:
    names = ("postgresql.conf", "pgbackrest.conf", "patroni.yml")
    tasks: list[dict[str, Any]] = [
        {"name": "Take", "ansible.builtin.include_vars": str(ROLE / part / "main.yml")} for part in ("defaults", "vars")
    ]
    tasks += [
        {
            "name": "Write",
            "ansible.builtin.template": {
                "src": str(ROLE / "templates" / f"{name}.j2"),
                "dest": str(tmp_path / name),
                "mode": "0600",
            },
        }
        for name in names
    ]
    done = play(tasks, each=({}, {}), **GIVEN)
    assert done.returncode == 0, done.stdout
    assert "changed=3" in done.stdout
    single, repository, several = ((tmp_path / name).read_text() for name in names)
    home = tmp_path / "home"
    command = f"/usr/bin/pgbackrest --config={home}/config/pgbackrest.conf --stanza=main archive-push %p"
    assert f"archive_mode = on\narchive_command = '{command}'\narchive_timeout = 300\n" in single
    parameters = yaml.safe_load(several)["postgresql"]["parameters"]
    assert (parameters["archive_mode"], parameters["archive_command"]) == ("on", command)
    assert f"repo1-path={home}/backups/postgres\n" in repository


@pytest.mark.parametrize("book", ["reset", "destroy"])
def test_backups_in_the_folder_that_nodes_share_stay(book: str, tmp_path: Path) -> None:
    plays = yaml.safe_load((ANSIBLE / "playbooks" / f"{book}.yml").read_text(encoding="utf-8"))
    tasks = [task for entry in plays for task in entry.get("tasks", ())]
    (argv,) = (
        task["ansible.builtin.command"]["argv"] for task in tasks if "find" in str(task.get("ansible.builtin.command"))
    )
    nodes = yaml.safe_load((ANSIBLE / "group_vars" / "nodes.yml").read_text(encoding="utf-8"))
    assert nodes["backups_folder"] == "{{ lake_folder }}/backups"
    lake = tmp_path / "lake"
    for name in ("delta/table/part", "backups/postgres/archive/main/segment", "backups-of-mine/file", "iceberg/file"):
        (lake / name).parent.mkdir(parents=True)
        (lake / name).write_text(name)
    places = {"{{ paths.lake }}": str(lake), "{{ paths.backups }}": str(lake / "backups")}
    for name, path in places.items():
        argv = [word.replace(name, path) for word in argv]
    subprocess.run(argv, check=True)
    left = sorted(path.relative_to(lake).as_posix() for path in lake.rglob("*") if path.is_file())
    assert left == ["backups/postgres/archive/main/segment"]
