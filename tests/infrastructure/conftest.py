"""One emulated cloud for the suite, with the state's bucket and the environment dev in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from terraform import Cloud, Made, Root, cloud_server, provider_mirror, terraform_program, working_copy

#: People come from here.
OPERATORS = ('-var=operators=["10.99.0.0/24"]',)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    terraform_program()
    provider_mirror()
    with cloud_server(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def sources(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """A copy of folder `infrastructure`, in which Terraform may write."""
    folder = tmp_path_factory.mktemp("sources")
    variables = working_copy(folder, cloud)
    return Root(folder / "infrastructure", variables)


@pytest.fixture(scope="session")
def bootstrapped(sources: Root) -> Root:
    """The state's bucket is there, and `bucket.config` names it."""
    root = sources.below("bootstrap").init()
    root.apply().well()
    (sources.folder / "bucket.config").write_text(root.outputs()["backend"], encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def dev(sources: Root, bootstrapped: Root) -> Made:
    """The environment dev, applied; the last file of the suite, `test_whole_life.py`, destroys it."""
    root = environment(sources, "dev")
    root.apply(*OPERATORS).well()
    return Made(root, OPERATORS, root.outputs())


@pytest.fixture(scope="session")
def planned(sources: Root, bootstrapped: Root) -> Callable[[str], dict[str, list[dict[str, Any]]]]:
    """What an environment that is not there would be: values of its resources by type."""

    @cache
    def plan(name: str) -> dict[str, list[dict[str, Any]]]:
        root = environment(sources, name)
        ended = root.plan("-out=plan")
        assert ended.code == 2, ended.output
        assert "Warning:" not in ended.output, ended.output
        changes = json.loads(root.run("show", "-json", "plan").well().output)["resource_changes"]
        found: dict[str, list[dict[str, Any]]] = {}
        for change in changes:
            if change["change"]["actions"] == ["create"]:
                found.setdefault(change["type"], []).append(change["change"]["after"])
        return found

    return plan


def environment(sources: Root, name: str) -> Root:
    """An environment, ready for commands, with its state in the emulated bucket."""
    return sources.below(f"environments/{name}").init(
        "-backend-config=state.config", "-backend-config=../../bucket.config"
    )
