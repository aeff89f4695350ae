"""Deploying code: a release is shown whole, with the manifest of its dbt project, or not at all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from plays import ANSIBLE

SCRIPT = ANSIBLE / "roles" / "app" / "files" / "deploy.sh"
#: A dbt that tells which release was current while it parsed, and refuses a project with a file `broken`.
DBT = """#!/bin/bash
echo "parsing of $1"
while [[ $1 != --project-dir ]]; do shift; done
project=$2
while [[ $1 != --target-path ]]; do shift; done
mkdir -p "$2"
readlink {app}/current >>{log} || echo none >>{log}
[[ ! -f $project/broken ]] || {{ echo "Compilation Error"; exit 2; }}
echo '{{}}' >"$2/manifest.json"
"""


class Site:
    """A clone, a place for its releases, and a dbt."""

    def __init__(self, folder: Path) -> None:
        self.clone, self.app, self.log, self.dbt = (folder / name for name in ("clone", "app", "parsed", "dbt"))
        for name in ("dags", "plugins", "include", "dbt", "spark_jobs", "flink_jobs", "contracts", "dashboards"):
            (self.clone / name).mkdir(parents=True)
            (self.clone / name / "file").write_text(name, encoding="utf-8")
        self.dbt.write_text(DBT.format(app=self.app, log=self.log), encoding="utf-8")
        self.dbt.chmod(0o755)

    def write(self, name: str, text: str) -> None:
        (self.clone / name).write_text(text, encoding="utf-8")

    def deploy(self, *, dbt: bool = True) -> subprocess.CompletedProcess[str]:
        words = ["bash", SCRIPT, self.clone, self.app, *([self.dbt] if dbt else [])]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    def deployed(self) -> str:
        """Deploy; the release's name."""
        done = self.deploy()
        assert (done.returncode, done.stderr) == (0, "")
        verb, name = done.stdout.split()
        assert verb == "changed"
        return name

    @property
    def current(self) -> Path:
        return self.app / "current"

    @property
    def parsed(self) -> list[str]:
        """What was current each time that dbt parsed."""
        return self.log.read_text(encoding="utf-8").split()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_release_has_its_manifest_before_it_is_current(site: Site) -> None:
    first = site.deployed()
    site.write("dags/file", "other")
    second = site.deployed()
    assert site.parsed == ["none", f"releases/{first}"]
    assert site.current.readlink() == Path("releases", second)
    assert (site.current / "dbt" / "target" / "manifest.json").is_file()
    assert not (site.current / "dbt" / "target.part").exists()


def test_the_sum_of_a_release_changes_with_code_that_processes_hold_and_not_with_dags(site: Site) -> None:
    def summed() -> str:
        site.deployed()
        return (site.current / "code.sum").read_text(encoding="utf-8")

    first = summed()
    site.write("dags/file", "other")
    assert summed() == first
    site.write("include/file", "other")
    assert summed() != first


def test_a_project_that_dbt_refuses_leaves_the_release_before_it_in_place(site: Site) -> None:
    first = site.deployed()
    site.write("dbt/broken", "")
    refused = site.deploy()
    assert refused.returncode != 0
    assert "dbt refused the project of the clone: parsing of parse\nCompilation Error" in refused.stderr
    assert site.current.readlink() == Path("releases", first)
    (site.clone / "dbt" / "broken").unlink()
    assert site.deploy().stdout == f"same {first}\n"


def test_unchanged_code_is_neither_copied_nor_parsed_again(site: Site) -> None:
    name = site.deployed()
    before = site.current.stat().st_mtime_ns
    assert site.deploy().stdout == f"same {name}\n"
    assert site.current.stat().st_mtime_ns == before
    assert len(site.parsed) == 1


def test_a_release_whose_deployment_was_killed_is_finished(site: Site) -> None:
    assert site.deploy(dbt=False).returncode == 0
    (site.current / "dbt" / "target.part").mkdir()
    site.deployed()
    assert (site.current / "dbt" / "target" / "manifest.json").is_file()


def test_what_tools_leave_in_the_clone_is_no_part_of_a_release(site: Site) -> None:
    name = site.deployed()
    (site.clone / "dbt" / "target").mkdir()
    site.write("dbt/target/manifest.json", "of the clone")
    site.write("include/left.pyc", "")
    assert site.deploy().stdout == f"same {name}\n"


def test_the_last_three_releases_are_kept(site: Site) -> None:
    names = []
    for number in range(4):
        site.write("dags/file", str(number))
        names.append(site.deployed())
    assert {path.name for path in (site.app / "releases").iterdir()} == set(names[1:])
