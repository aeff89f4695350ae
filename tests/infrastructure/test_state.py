"""Where the state is, and that two cannot change it at once."""

from __future__ import annotations

import json

from policies import denied
from terraform import Cloud, Made, Root

BUCKET = "quintet-state-123456789012"


def test_the_state_is_kept_with_its_versions_in_a_closed_bucket(cloud: Cloud, dev: Made, bootstrapped: Root) -> None:
    s3 = cloud.client("s3")
    assert f'bucket = "{BUCKET}"' in bootstrapped.outputs()["backend"]
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    state = s3.get_object(Bucket=BUCKET, Key="dev/terraform.tfstate")
    assert state["ServerSideEncryption"] == "AES256"
    assert len(json.loads(state["Body"].read())["resources"]) > 40
    assert not (dev.root.folder / "terraform.tfstate").exists()
    policy = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])
    facts = {"aws_PrincipalAccount": "123456789012", "aws_PrincipalIsAWSService": "false"}
    assert denied(policy, "s3:GetObject", f"arn:aws:s3:::{BUCKET}/dev/a", aws_SecureTransport="false", **facts)


def test_who_comes_second_is_told_who_holds_the_lock(cloud: Cloud, dev: Made) -> None:
    lock = {"ID": "f1", "Operation": "OperationTypeApply", "Who": "anna@desk", "Created": "2026-01-01T00:00:00Z"}
    key = "dev/terraform.tfstate.tflock"
    listed = cloud.client("s3").list_object_versions(Bucket=BUCKET, Prefix=key)
    assert listed.get("DeleteMarkers"), "the apply before took the lock and gave it back"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(lock).encode())
    try:
        ended = dev.root.plan(*dev.arguments)
        assert ended.code == 1
        assert "Error acquiring the state lock" in ended.flat
        assert "anna@desk" in ended.flat
    finally:
        cloud.client("s3").delete_object(Bucket=BUCKET, Key=key)
