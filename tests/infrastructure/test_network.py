"""The network of an applied environment: what reaches what."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from terraform import Cloud, Made

ROOT = Path(__file__).parents[2]
WORLD = "0.0.0.0/0"
Rule = tuple[str, int, int]


def lab_ports() -> dict[str, int]:
    texts = yaml.safe_load((ROOT / "ansible/group_vars/all/ports.yml").read_text(encoding="utf-8"))["ports"]
    return {name: int(re.findall(r"\d+", text)[0]) for name, text in texts.items()}


@pytest.fixture(scope="module")
def network(cloud: Cloud, dev: Made) -> str:
    [vpc] = cloud.client("ec2").describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["quintet-dev"]}])["Vpcs"]
    assert vpc["CidrBlock"] == "10.20.0.0/16"
    return str(vpc["VpcId"])


@pytest.fixture(scope="module")
def rules(cloud: Cloud, network: str) -> dict[tuple[str, str], set[Rule]]:
    """Rules of each group by direction: the other side (a role or addresses), first and last port."""
    found = cloud.client("ec2").describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [network]}])
    roles = {group["GroupId"]: group["GroupName"].removeprefix("quintet-dev-") for group in found["SecurityGroups"]}
    return {
        (roles[group["GroupId"]], direction): {
            (other, permission.get("FromPort", -1), permission.get("ToPort", -1))
            for permission in group[field]
            for other in [
                *(roles[pair["GroupId"]] for pair in permission["UserIdGroupPairs"]),
                *(addresses["CidrIp"] for addresses in permission["IpRanges"]),
            ]
        }
        for group in found["SecurityGroups"]
        for direction, field in (("in", "IpPermissions"), ("out", "IpPermissionsEgress"))
    }


def subnets(cloud: Cloud, network: str, reach: str) -> list[dict[str, Any]]:
    filters = [{"Name": "vpc-id", "Values": [network]}, {"Name": "tag:reach", "Values": [reach]}]
    return list(cloud.client("ec2").describe_subnets(Filters=filters)["Subnets"])


def test_each_zone_has_a_public_and_a_private_subnet(cloud: Cloud, network: str) -> None:
    for reach, blocks in (
        ("public", {"10.20.0.0/20", "10.20.16.0/20"}),
        ("private", {"10.20.128.0/20", "10.20.144.0/20"}),
    ):
        found = subnets(cloud, network, reach)
        assert {subnet["CidrBlock"] for subnet in found} == blocks
        assert len({subnet["AvailabilityZone"] for subnet in found}) == 2
        assert not any(subnet["MapPublicIpOnLaunch"] for subnet in found)


def test_private_subnets_leave_through_one_gateway_and_reach_objects_inside(cloud: Cloud, network: str) -> None:
    ec2, filters = cloud.client("ec2"), [{"Name": "vpc-id", "Values": [network]}]
    private = {subnet["SubnetId"] for subnet in subnets(cloud, network, "private")}
    tables = [
        table
        for table in ec2.describe_route_tables(Filters=filters)["RouteTables"]
        if {association.get("SubnetId") for association in table["Associations"]} & private
    ]
    ways = [route for table in tables for route in table["Routes"] if route.get("DestinationCidrBlock") == WORLD]
    assert len(tables) == 2
    assert len(ways) == 2
    assert len({way["NatGatewayId"] for way in ways}) == 1
    assert not any("igw-" in way.get("GatewayId", "") for way in ways)
    [endpoint] = ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
    assert endpoint["ServiceName"] == "com.amazonaws.eu-central-1.s3"
    assert set(endpoint["RouteTableIds"]) == {table["RouteTableId"] for table in tables}


def test_connections_are_recorded(cloud: Cloud, network: str) -> None:
    [log] = cloud.client("ec2").describe_flow_logs()["FlowLogs"]
    assert (log["ResourceId"], log["TrafficType"]) == (network, "ALL")
    [group] = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/quintet-dev/flows")["logGroups"]
    assert group["retentionInDays"] == 30


def test_each_role_is_reached_at_its_own_ports_only(rules: dict[tuple[str, str], set[Rule]]) -> None:
    ports, ssh = lab_ports(), ("10.99.0.0/24", 22, 22)

    def at(role: str, *names: str) -> set[Rule]:
        return {(role, ports[name], ports[name]) for name in names}

    assert rules["database", "in"] == {("nodes", 5432, 5432)}
    assert rules["shared", "in"] == {("nodes", 2049, 2049), ("brokers", 2049, 2049)}
    assert rules["brokers", "in"] == {
        ssh,
        *at("nodes", "kafka", "kafka_metrics", "node_exporter"),
        *at("brokers", "kafka", "kafka_controller"),
    }
    nodes = rules["nodes", "in"]
    assert {rule for rule in nodes if rule[0] != "nodes"} == {ssh, *at("brokers", "postgres", "postgres_patroni")}
    among = {port for role, first, last in nodes if role == "nodes" for port in range(first, last + 1)}
    assert among == set(ports.values()) | set(range(32768, 61000))


def test_only_package_ports_lead_out_of_the_network(rules: dict[tuple[str, str], set[Rule]]) -> None:
    out = {role: others for (role, direction), others in rules.items() if direction == "out"}
    for role in ("nodes", "brokers"):
        assert {rule for rule in out[role] if "/" in rule[0]} == {(WORLD, 80, 80), (WORLD, 443, 443)}
    assert out["database"] == out["shared"] == out["default"] == rules["default", "in"] == set()
