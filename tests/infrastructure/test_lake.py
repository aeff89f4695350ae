"""The object store of an applied environment, as the emulated cloud describes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies import allowed, denied
from terraform import Cloud, Made

BUCKETS = ("lake", "models", "checkpoints", "backups")
ACCOUNT = "123456789012"
REFUSED = "s3:GetObject"


def bucket(use: str) -> str:
    return f"quintet-dev-{use}-{ACCOUNT}"


def role_policy(cloud: Cloud, arn: str) -> dict[str, Any]:
    version = cloud.client("iam").get_policy_version(PolicyArn=arn, VersionId="v1")
    return version["PolicyVersion"]["Document"]


@pytest.mark.parametrize("use", BUCKETS)
def test_a_bucket_is_closed_encrypted_and_keeps_versions(cloud: Cloud, dev: Made, use: str) -> None:
    s3, name = cloud.client("s3"), bucket(use)
    assert dev.outputs["buckets"][use] == name
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    rule = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}
    owner = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"][0]["ObjectOwnership"]
    assert owner == "BucketOwnerEnforced"


@pytest.mark.parametrize("use", BUCKETS)
def test_a_bucket_refuses_plain_http_and_other_accounts(cloud: Cloud, dev: Made, use: str) -> None:
    name = bucket(use)
    policy = json.loads(cloud.client("s3").get_bucket_policy(Bucket=name)["Policy"])
    ours = {"aws_SecureTransport": "true", "aws_PrincipalAccount": ACCOUNT, "aws_PrincipalIsAWSService": "false"}
    for resource in (f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/silver/part-0.parquet"):
        assert not denied(policy, REFUSED, resource, **ours)
        assert denied(policy, REFUSED, resource, **ours | {"aws_SecureTransport": "false"})
        assert denied(policy, REFUSED, resource, **ours | {"aws_PrincipalAccount": "210987654321"})
        assert denied(policy, REFUSED, resource, aws_SecureTransport="true")  # nobody known
    assert [statement["Principal"] for statement in policy["Statement"]] == ["*", "*"]


def test_backups_go_after_seven_days_and_nothing_else_by_age(cloud: Cloud, dev: Made) -> None:
    ages = {}
    for use in BUCKETS:
        rules = cloud.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket(use))["Rules"]
        assert all(rule["Status"] == "Enabled" for rule in rules)
        ages[use] = [rule["Expiration"]["Days"] for rule in rules if "Days" in rule.get("Expiration", {})]
        assert [rule["NoncurrentVersionExpiration"] for rule in rules if "NoncurrentVersionExpiration" in rule]
    assert ages == {"lake": [], "models": [], "checkpoints": [], "backups": [7]}


def test_roles_may_do_what_they_are_for_and_no_more(cloud: Cloud, dev: Made) -> None:
    policies = {role: role_policy(cloud, arn) for role, arn in dev.outputs["lake_policies"].items()}
    found = {
        (role, action, use)
        for role, policy in policies.items()
        for action in ("GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion", "PutBucketPolicy")
        for use in BUCKETS
        if allowed(policy, f"s3:{action}", f"arn:aws:s3:::{bucket(use)}/a/b")
    }
    assert found == {
        *(("writer", action, use) for action in ("GetObject", "PutObject", "DeleteObject") for use in BUCKETS[:3]),
        *(("reader", "GetObject", use) for use in ("lake", "models")),
        *(("backup", action, "backups") for action in ("GetObject", "PutObject")),
    }
    for policy in policies.values():
        assert not allowed(policy, "s3:GetObject", f"arn:aws:s3:::quintet-prod-lake-{ACCOUNT}/a")
        assert not allowed(policy, "s3:ListBucket", f"arn:aws:s3:::quintet-state-{ACCOUNT}")
