"""What happens to an environment after it was made, in this order: nothing, drift, its end. The suite's last file."""

from __future__ import annotations

import json

from terraform import Cloud, Made

LAKE = "quintet-dev-lake-123456789012"
BACKUPS = "quintet-dev-backups-123456789012"
STATE = "quintet-state-123456789012"


def test_a_second_plan_changes_nothing(dev: Made) -> None:
    ended = dev.root.plan(*dev.arguments)
    assert ended.code == 0, ended.output
    assert "No changes." in ended.output


def test_a_bucket_that_somebody_opened_is_seen_and_closed(cloud: Cloud, dev: Made) -> None:
    s3 = cloud.client("s3")
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{LAKE}/*"}
    s3.delete_public_access_block(Bucket=LAKE)
    s3.put_bucket_policy(Bucket=LAKE, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everybody]}))
    ended = dev.root.apply(*dev.arguments).well()
    lake = 'module.stack.module.lake.module.bucket["lake"]'
    assert f"{lake}.aws_s3_bucket_public_access_block.this will be created" in ended.flat
    assert f"{lake}.aws_s3_bucket_policy.fence will be updated in-place" in ended.flat
    assert "Resources: 1 added, 1 changed, 0 destroyed." in ended.flat
    assert "TlsOnly" in s3.get_bucket_policy(Bucket=LAKE)["Policy"]
    assert set(s3.get_public_access_block(Bucket=LAKE)["PublicAccessBlockConfiguration"].values()) == {True}


def test_its_end_leaves_the_backups_and_nothing_else(cloud: Cloud, dev: Made) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BACKUPS, Key="postgres/base.tar", Body=b"backup")
    s3.put_object(Bucket=LAKE, Key="silver/part-0.parquet", Body=b"rows")
    ended = dev.root.run("destroy", "-input=false", "-auto-approve", *dev.arguments)
    assert ended.code == 1
    assert "BucketNotEmpty" in ended.flat, ended.output
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {BACKUPS, STATE}
    assert s3.get_object(Bucket=BACKUPS, Key="postgres/base.tar")["Body"].read() == b"backup"
    state = json.loads(s3.get_object(Bucket=STATE, Key="dev/terraform.tfstate")["Body"].read())
    left = [(part["module"], part["type"]) for part in state["resources"] if part["mode"] == "managed"]
    assert left == [('module.stack.module.lake.module.bucket["backups"]', "aws_s3_bucket")]
    assert cloud.client("rds").describe_db_instances()["DBInstances"] == []
    assert cloud.client("secretsmanager").list_secrets()["SecretList"] == []
    assert cloud.client("efs").describe_file_systems()["FileSystems"] == []
    found = cloud.client("ec2").describe_instances()["Reservations"]
    states = {instance["State"]["Name"] for reservation in found for instance in reservation["Instances"]}
    assert states == {"terminated"}
