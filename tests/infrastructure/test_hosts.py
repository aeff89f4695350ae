"""Hosts of an applied environment, and the inventory that is written of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from policies import allowed
from terraform import Cloud, Made

ROOT = Path(__file__).parents[2]
BROKERS = {"kafka-node1", "kafka-node2", "kafka-node3"}
NODES = {"cpu-node1", "cpu-node2", "worker-node3", "worker-node4", "gpu-node"}


@pytest.fixture(scope="module")
def instances(cloud: Cloud, dev: Made) -> dict[str, dict[str, Any]]:
    found = cloud.client("ec2").describe_instances()["Reservations"]
    every = [instance for reservation in found for instance in reservation["Instances"]]
    return {tag["Value"]: instance for instance in every for tag in instance["Tags"] if tag["Key"] == "node"}


def test_hosts_are_private_and_spread_over_the_zones(instances: dict[str, dict[str, Any]], dev: Made) -> None:
    assert set(instances) == NODES | BROKERS == set(dev.outputs["hosts"])
    for name, instance in instances.items():
        assert instance["PrivateIpAddress"] == dev.outputs["hosts"][name]["address"]
        assert "PublicIpAddress" not in instance
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        [group] = instance["SecurityGroups"]
        assert group["GroupName"] == ("quintet-dev-brokers" if name in BROKERS else "quintet-dev-nodes")
    for kind in (NODES, BROKERS):
        assert len({instances[name]["Placement"]["AvailabilityZone"] for name in kind}) == 2


def test_programs_on_hosts_may_use_the_lake_and_the_password_and_nothing_else(cloud: Cloud, dev: Made) -> None:
    iam = cloud.client("iam")
    assert iam.list_attached_role_policies(RoleName="quintet-dev-brokers")["AttachedPolicies"] == []
    attached = iam.list_attached_role_policies(RoleName="quintet-dev-nodes")["AttachedPolicies"]
    assert {policy["PolicyName"] for policy in attached} == {
        "quintet-dev-lake-writer",
        "quintet-dev-lake-backup",
        "quintet-dev-database-password",
    }
    [arn] = [policy["PolicyArn"] for policy in attached if policy["PolicyName"].endswith("password")]
    policy = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    secret = dev.outputs["database"]["secret"]
    assert allowed(policy, "secretsmanager:GetSecretValue", secret)
    assert not allowed(policy, "secretsmanager:PutSecretValue", secret)
    assert not allowed(policy, "secretsmanager:GetSecretValue", secret.replace("-dev/", "-prod/"))


def test_a_first_start_makes_a_host_ready_for_the_playbook(cloud: Cloud, instances: dict[str, dict[str, Any]]) -> None:
    import base64

    answer = cloud.client("ec2").describe_instance_attribute(
        InstanceId=instances["cpu-node1"]["InstanceId"], Attribute="userData"
    )
    script = base64.b64decode(answer["UserData"]["Value"]).decode()
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    [folder] = cloud.client("efs").describe_file_systems()["FileSystems"]
    assert folder["Encrypted"]
    assert f"SHARED_FOLDER='{folder['FileSystemId']}.efs.eu-central-1.amazonaws.com'\n" in script
    assert "KEY='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample player'\n" in script
    targets = cloud.client("efs").describe_mount_targets(FileSystemId=folder["FileSystemId"])["MountTargets"]
    assert len({target["SubnetId"] for target in targets}) == 2


def write_inventory(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(ROOT / "infrastructure/inventory.py"), str(folder)]
    return subprocess.run(line, input=text, capture_output=True, text=True, check=False)


def groups(folder: Path) -> dict[str, list[str]]:
    """Hosts of each group, as Ansible reads the inventory."""
    line = [str(ROOT / ".venv/bin/ansible-inventory"), "-i", str(folder), "--list"]
    read = json.loads(subprocess.run(line, cwd=ROOT / "ansible", capture_output=True, check=True).stdout)
    assert set(read["_meta"]["hostvars"])

    def hosts(group: str) -> list[str]:
        content = read.get(group, {})
        return [*content.get("hosts", []), *(host for child in content.get("children", []) for host in hosts(child))]

    return {group: hosts(group) for group in read if group not in ("_meta", "all", "ungrouped")}


def test_the_inventory_has_the_places_of_the_home_lab(dev: Made, tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    ended = write_inventory(folder, json.dumps({name: {"value": value} for name, value in dev.outputs.items()}))
    assert ended.returncode == 0, ended.stderr
    home, cloud = groups(ROOT / "ansible/inventories/homelab"), groups(folder)
    assert set(cloud) == set(home)
    every = NODES | BROKERS
    assert {group: set(hosts) for group, hosts in cloud.items()} == {
        group: BROKERS if group == "kafka" else every if every >= set(hosts) >= NODES else set(hosts)
        for group, hosts in home.items()
    }
    # The first host of a group is where its door is.
    assert all(cloud[group][0] == hosts[0] for group, hosts in home.items() if set(hosts) <= NODES and group != "kafka")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "no output 'hosts'"),
        ('{"hosts": {"value": {}}}', "no hosts: apply the environment first"),
        ('{"hosts": {"value": {"a": {"address": "", "groups": []}}}}', "a has no address"),
        ('{"hosts": {"value": {"a: b": {"address": "10.0.0.1", "groups": []}}}}', "'a: b' is no name"),
        ("no changes", "give it what `terraform output -json` prints"),
    ],
)
def test_an_inventory_of_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    ended = write_inventory(tmp_path / "dev", text)
    assert ended.returncode == 1
    assert message in ended.stderr
    assert not (tmp_path / "dev").exists()
