"""One emulated cloud for the suite, with the state's bucket and the environment dev in it.

Terraform waits for a bucket's rules and for a database more than a minute each, however quick the cloud is. So dev is
applied beside the tests that do not look at it, which go first.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest

from terraform import (
    Cloud,
    Ended,
    Made,
    Root,
    cloud_server,
    provider_mirror,
    running_provider,
    terraform_program,
    working_copy,
)

#: People come from here. Many resources at a time: most of them wait for something that is there.
ARGUMENTS = ('-var=operators=["10.99.0.0/24"]', "-parallelism=40")
STATE = "quintet-state-123456789012"
#: What the bootstrap says that `terraform init` wants.
BACKEND = f'bucket = "{STATE}"\nregion = "eu-central-1"\n'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of dev, the others before them."""
    items.sort(key=_is_of_dev)


def _is_of_dev(item: pytest.Item) -> bool:
    return "dev" in getattr(item, "fixturenames", ())


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
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture(scope="session")
def bootstrapping(cloud: Cloud, sources: Root, beside: ThreadPoolExecutor) -> Future[Ended]:
    """The state's bucket can be used, and `bucket.config` names it; Terraform still waits for the bucket's rules."""
    ending = beside.submit(sources.below("bootstrap").init().apply)
    while not ending.done() and not _keeps_versions(cloud, STATE):
        time.sleep(0.5)
    (sources.folder / "bucket.config").write_text(BACKEND, encoding="utf-8")
    return ending


def _keeps_versions(cloud: Cloud, bucket: str) -> bool:
    s3 = cloud.client("s3")
    names = {found["Name"] for found in s3.list_buckets()["Buckets"]}
    return bucket in names and s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"


@pytest.fixture(scope="session")
def bootstrapped(sources: Root, bootstrapping: Future[Ended]) -> Root:
    bootstrapping.result().well()
    root = sources.below("bootstrap")
    assert root.outputs()["backend"] == BACKEND
    return root


@pytest.fixture(scope="session")
def applying(
    sources: Root,
    bootstrapping: Future[Ended],
    beside: ThreadPoolExecutor,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Future[Made]]:
    with running_provider(sources.below("bootstrap"), tmp_path_factory.mktemp("provider") / "log") as provider:

        def apply() -> Made:
            # With a provider found and checked by itself; then it is that which runs.
            root = environment(sources, "dev").asking(provider)
            root.apply(*ARGUMENTS).well()
            return Made(root, ARGUMENTS, root.outputs())

        applied = beside.submit(apply)
        yield applied
        applied.exception()


@pytest.fixture(scope="session")
def dev(bootstrapped: Root, applying: Future[Made]) -> Made:
    """The environment dev, applied; the last file of the suite, `test_whole_life.py`, destroys it."""
    return applying.result()


@pytest.fixture(scope="session")
def begun(request: pytest.FixtureRequest) -> None:
    """Where a test of dev will come, it is begun with."""
    if any(map(_is_of_dev, request.session.items)):
        request.getfixturevalue("applying")


@pytest.fixture(scope="module")
def others(
    sources: Root, begun: None, bootstrapping: Future[Ended], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Root]:
    """The sources for environments that are planned only."""
    with running_provider(sources.below("bootstrap"), tmp_path_factory.mktemp("provider") / "log") as provider:
        yield sources.asking(provider)


@pytest.fixture(scope="module")
def planned(others: Root) -> Callable[[str], dict[str, list[dict[str, Any]]]]:
    """What an environment that is not there would be: values of its resources by type."""

    @cache
    def plan(name: str) -> dict[str, list[dict[str, Any]]]:
        root = environment(others, name)
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
