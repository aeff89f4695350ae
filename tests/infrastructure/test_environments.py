"""Environments differ in their values only, and values that make no sense are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from terraform import Made, Root

FOLDER = Path(__file__).parents[2] / "infrastructure"
NAMES = ("dev", "staging", "prod")
Planned = Callable[[str], dict[str, list[dict[str, Any]]]]
#: Values that cannot be, and what is said about them.
WRONG = {
    "environment=test": "The environment is dev, staging or prod, not 'test'.",
    "cidr=10.20.0.1/16": "cidr is the address of a network, as 10.20.0.0/16, not '10.20.0.1/16'.",
    "zones=1": "Two zones or more, at most four: a database wants two. There are 1.",
    "nat=maybe": "nat is none, one or each, not 'maybe'.",
    'operators=["0.0.0.0/0"]': "operators are networks of people, never all the world: 0.0.0.0/0.",
    "backup_days=0": "A backup is kept for a day or more: backup_days is 0.",
    "database_class=t3.large": "The class of a database begins with db., as db.t4g.medium: 't3.large'.",
    "database_disk_gb=5": "The database's disk has 20 GB or more: database_disk_gb is 5.",
    "node_types={}": "The hosts are cpu-node1, cpu-node2, worker-node3, worker-node4 and gpu-node",
    "brokers=4": "Three brokers or five, so that one may be away and a majority is left: there are 4.",
    "ssh_key=secret": "ssh_key is the line of a public key",
}


def test_environments_have_one_text() -> None:
    texts = {(FOLDER / "environments" / name / "main.tf").read_text(encoding="utf-8") for name in NAMES}
    assert len(texts) == 1
    assert {folder.name for folder in (FOLDER / "environments").iterdir()} == set(NAMES)


def test_everything_is_formatted(sources: Root) -> None:
    assert sources.run("fmt", "-check", "-recursive").well().output == ""


def test_the_environment_is_valid_with_every_module(dev: Made) -> None:
    dev.root.run("validate").well()
    called = json.loads((dev.root.folder / ".terraform/modules/modules.json").read_text(encoding="utf-8"))["Modules"]
    folders = {(dev.root.folder / module["Dir"]).resolve().name for module in called}
    assert folders - {"dev"} == {folder.name for folder in (FOLDER / "modules").iterdir()}


@pytest.fixture(scope="module")
def refusal(planned: Planned, others: Root) -> str:
    """What is said about all the wrong values together."""
    planned("staging")
    ended = others.below("environments/staging").plan(
        "-lock=false", "-refresh=false", *(f"-var={value}" for value in WRONG)
    )
    assert ended.code == 1, ended.output
    return ended.flat


@pytest.mark.parametrize("value", WRONG)
def test_a_value_that_cannot_be_is_refused(refusal: str, value: str) -> None:
    assert WRONG[value] in refusal


def test_prod_cannot_be_unprotected(planned: Planned, others: Root) -> None:
    planned("prod")
    wrong = ("-var=protect=false", "-var=database_multi_az=false")
    ended = others.below("environments/prod").plan("-lock=false", *wrong)
    assert ended.code == 1
    assert "prod is protected: protect = true." in ended.flat
    assert "The database of prod has a copy in another zone: database_multi_az = true." in ended.flat


@pytest.mark.parametrize(("name", "protected", "gateways"), [("staging", False, 1), ("prod", True, 3)])
def test_size_and_protection_are_the_environments_own(
    planned: Planned, name: str, protected: bool, gateways: int
) -> None:
    found = planned(name)
    [database] = found["aws_db_instance"]
    assert database["deletion_protection"] is database["multi_az"] is protected
    assert database["skip_final_snapshot"] is not protected
    assert len(found["aws_subnet"]) == 6
    assert len(found["aws_nat_gateway"]) == gateways
    assert len(found["aws_instance"]) == 8
    assert {instance["disable_api_termination"] for instance in found["aws_instance"]} == {protected}
    for bucket in found["aws_s3_bucket"]:
        assert bucket["force_destroy"] is (not protected and "backups" not in bucket["bucket"])
        assert bucket["bucket"].startswith(f"quintet-{name}-")
    [secret] = found["aws_secretsmanager_secret"]
    assert secret["recovery_window_in_days"] == (30 if protected else 0)
