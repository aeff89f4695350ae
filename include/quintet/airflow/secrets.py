"""Connections and secret options of Airflow, from the lab file.

In airflow.cfg: `[secrets] backend = quintet.airflow.secrets.LabSecretsBackend`. Options that Airflow allows to be
secret can name one of `SECRET_OPTIONS`, for example `[database] sql_alchemy_conn_secret = airflow_database`; no
password then stands in the configuration or in the environment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from airflow.secrets import BaseSecretsBackend

from quintet.errors import SettingsError
from quintet.settings import Lab, load_lab
from quintet.streams.clients import client_settings

__all__ = ["CONNECTIONS", "KAFKA_BELL", "SECRET_OPTIONS", "LabSecretsBackend"]

#: Connection of the triggerer that hears messages.
KAFKA_BELL = "kafka_default"
#: User, and group of consumers, that Airflow is in Kafka; role `kafka` gives them their rights.
_KAFKA_USER, _KAFKA_GROUP = "airflow", "airflow-inputs-announced"

#: User that Trino is asked as; its door is bound to loopback and wants no password.
_TRINO_USER = "quintet"


def _postgres(database: str) -> Callable[[Lab], dict[str, Any]]:
    def connection(lab: Lab) -> dict[str, Any]:
        door = lab.endpoint("postgres")
        return {
            "conn_type": "postgres",
            "host": door.host,
            "port": door.port,
            "schema": database,
            "login": database,
            "password": lab.secret(f"postgres_{database}"),
        }

    return connection


def _trino(lab: Lab) -> dict[str, Any]:
    door = lab.endpoint("trino")
    return {
        "conn_type": "trino",
        "host": door.host,
        "port": door.port,
        "login": _TRINO_USER,
        "schema": "iceberg",
        "extra": {"protocol": door.scheme},
    }


def _search(lab: Lab) -> dict[str, Any]:
    door = lab.endpoint("search")
    options = lab.options["search"]
    return {
        "conn_type": "opensearch",
        "host": door.host,
        "port": door.port,
        "login": options["writer"],
        "password": lab.secret(f"search_{options['writer']}"),
        # The provider knows no file of certificates: quintet.airflow.search adds it.
        "extra": {"use_ssl": True, "verify_certs": True},
    }


def _kafka(lab: Lab) -> dict[str, Any]:
    settings = {
        **client_settings(lab, user=_KAFKA_USER),
        "group.id": _KAFKA_GROUP,
        # The trigger keeps the place itself; it begins with what was sent before it first listened.
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        # A triggerer that was killed holds its place for so long.
        "session.timeout.ms": 10_000,
    }
    return {"conn_type": "kafka", "extra": settings}


def _spark(lab: Lab) -> dict[str, Any]:
    try:
        master = str(lab.options["spark"]["master"])
    except KeyError:
        raise SettingsError(f"the file {lab.file} has no Spark", remedy="Run: make install") from None
    return {"conn_type": "spark", "host": master, "extra": {"deploy-mode": "client"}}


#: Connections by id. A PostgreSQL role is named after its database and owns it.
CONNECTIONS: Mapping[str, Callable[[Lab], dict[str, Any]]] = {
    "postgres_default": _postgres("lake"),
    "postgres_lake": _postgres("lake"),
    "postgres_shop": _postgres("shop"),
    "trino_default": _trino,
    "spark_default": _spark,
    "search_default": _search,
    KAFKA_BELL: _kafka,
}


def _metadata_database(lab: Lab) -> str:
    door = lab.endpoint("postgres")
    password = quote(lab.secret("postgres_airflow"), safe="")
    return f"postgresql+psycopg://airflow:{password}@{door.host}:{door.port}/airflow"


#: Values for options of airflow.cfg that end in `_secret`.
SECRET_OPTIONS: Mapping[str, Callable[[Lab], str]] = {
    "airflow_database": _metadata_database,
    "airflow_jwt": lambda lab: lab.secret("airflow_jwt"),
    "airflow_fernet": lambda lab: lab.secret("airflow_fernet"),
    "airflow_secret_key": lambda lab: lab.secret("airflow_secret_key"),
}


class LabSecretsBackend(BaseSecretsBackend):
    """Answers for the connections of the lab and leaves all others to the next backend.

    Secrets are read when they are asked for, neither kept nor logged, so that a new password counts at once.
    """

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str | None:
        """Connection as JSON; None for an id, or a service, that the lab does not have.

        Raises:
            SettingsError: the lab file or the secrets file cannot be read.

        """
        make = CONNECTIONS.get(conn_id)
        if make is None:
            return None
        lab = load_lab()
        if not _has_service(lab, conn_id):
            return None
        return json.dumps(make(lab))

    def get_variable(self, key: str, team_name: str | None = None) -> str | None:
        """No variables: what is configured stands in the lab file."""
        return None

    def get_config(self, key: str) -> str | None:
        """Value of a secret option of airflow.cfg; None for others.

        Raises:
            SettingsError: the lab file or the secrets file cannot be read, or lacks the secret.

        """
        make = SECRET_OPTIONS.get(key)
        return make(load_lab()) if make else None


def _has_service(lab: Lab, conn_id: str) -> bool:
    kind = conn_id.partition("_")[0]
    return kind in lab.endpoints or kind in lab.options
