"""The database of an applied environment and its password."""

from __future__ import annotations

import json

from terraform import Cloud, Made


def test_the_database_can_be_captured_and_is_reached_over_tls_inside_only(cloud: Cloud, dev: Made) -> None:
    [database] = cloud.client("rds").describe_db_instances()["DBInstances"]
    assert database["StorageEncrypted"]
    assert not database["PubliclyAccessible"]
    assert database["BackupRetentionPeriod"] == 7
    assert len(database["DBSubnetGroup"]["Subnets"]) == 2
    [group] = database["DBParameterGroups"]
    parameters = cloud.client("rds").describe_db_parameters(DBParameterGroupName=group["DBParameterGroupName"])
    values = {parameter["ParameterName"]: parameter["ParameterValue"] for parameter in parameters["Parameters"]}
    assert values == {"rds.logical_replication": "1", "rds.force_ssl": "1", "max_slot_wal_keep_size": "10240"}


def test_the_password_is_in_its_secret_and_nowhere_else(cloud: Cloud, dev: Made) -> None:
    secret = dev.outputs["database"]["secret"]
    password = cloud.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    assert len(password) == 40
    assert password not in json.dumps(dev.outputs)
    state = cloud.client("s3").get_object(Bucket="quintet-state-123456789012", Key="dev/terraform.tfstate")
    text = state["Body"].read().decode()
    assert secret in text
    assert password not in text
