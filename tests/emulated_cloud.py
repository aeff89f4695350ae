"""moto's server, nearer to AWS where it matters here: `python emulated_cloud.py -H ADDRESS -p PORT`.

moto takes a statement that denies for one that denies always. Here requests are those of the account's own principals
over TLS, and a statement denies when its conditions hold. And parameters of databases say who set them, as RDS does.

A database that is deleted is gone when the answer comes, and the answer says so, as to a second request. Terraform's
provider would wait for more than a minute to see it gone, however quick the cloud is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.rds.exceptions import DBInstanceNotFoundError
from moto.rds.models import DBParameterGroup, RDSBackend
from moto.s3.models import FakeBucket
from moto.server import main

from policies import denied

_OURS = {"aws_SecureTransport": "true", "aws_PrincipalAccount": "123456789012", "aws_PrincipalIsAWSService": "false"}


def _permission(bucket: Any, action: str, resource: str) -> PermissionResult:
    policy = json.loads(bucket.policy or '{"Statement": []}')
    return PermissionResult.DENIED if denied(policy, action, resource, **_OURS) else PermissionResult.NEUTRAL


_update_parameters = DBParameterGroup.update_parameters


def _set_by_users(group: Any, parameters: Iterable[dict[str, Any]]) -> None:
    _update_parameters(group, [{**parameter, "Source": "user"} for parameter in parameters])


_delete_database = RDSBackend.delete_db_instance


def _deleted_at_once(backend: Any, db_instance_identifier: str, **options: Any) -> None:
    _delete_database(backend, db_instance_identifier, **options)
    raise DBInstanceNotFoundError(db_instance_identifier)


FakeBucket.get_permission = _permission
DBParameterGroup.update_parameters = _set_by_users
RDSBackend.delete_db_instance = _deleted_at_once
main(sys.argv[1:])
