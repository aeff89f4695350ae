"""Connections and secret options from the lab file."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from airflow.models.connection import Connection

import airflow_home
from paths import ROOT
from quintet.airflow.secrets import CONNECTIONS, SECRET_OPTIONS, LabSecretsBackend

pytestmark = pytest.mark.airflow


@pytest.fixture
def backend() -> LabSecretsBackend:
    found = LabSecretsBackend()
    found._set_connection_class(Connection)
    return found


def test_the_connections_are_those_of_the_lab(backend: LabSecretsBackend) -> None:
    found = {name: backend.get_connection(name) for name in CONNECTIONS}
    lake = found["postgres_lake"]
    assert (lake.conn_type, lake.host, lake.port, lake.schema, lake.login) == (
        "postgres",
        "127.0.0.1",
        15432,
        "lake",
        "lake",
    )
    assert lake.password == "secret of postgres_lake: a/b@c"
    assert found["postgres_shop"].password == "secret of postgres_shop: a/b@c"
    assert found["postgres_default"].login == "lake"
    assert (found["trino_default"].port, found["trino_default"].login) == (1, "quintet")
    assert found["spark_default"].host == "local[2]"
    search = found["search_default"]
    assert (search.conn_type, search.login, search.password) == (
        "opensearch",
        "writer",
        "secret of search_writer: a/b@c",
    )
    assert search.extra_dejson == {"use_ssl": True, "verify_certs": True}


def test_other_connections_are_left_to_the_next_backend(backend: LabSecretsBackend) -> None:
    assert backend.get_connection("postgres_airflow") is None
    assert backend.get_connection("somebody_elses") is None
    assert backend.get_variable("anything") is None
    assert backend.get_config("smtp_password") is None


def test_secret_options_escape_what_a_url_would_misread(backend: LabSecretsBackend) -> None:
    address = backend.get_config("airflow_database")
    assert address == (
        "postgresql+psycopg://airflow:secret%20of%20postgres_airflow%3A%20a%2Fb%40c@127.0.0.1:15432/airflow"
    )
    for name in SECRET_OPTIONS:
        assert backend.get_config(name), name


def test_a_new_password_counts_at_once(backend: LabSecretsBackend) -> None:
    path = airflow_home.LAB.file.with_name("secrets.yaml")
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(yaml.safe_dump({**yaml.safe_load(before), "postgres_lake": "another"}), encoding="utf-8")
        assert backend.get_connection("postgres_lake").password == "another"
    finally:
        path.write_text(before, encoding="utf-8")


def test_no_secret_is_logged_or_kept(backend: LabSecretsBackend, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in CONNECTIONS:
            backend.get_conn_value(name)
    assert "secret of" not in caplog.text
    assert "secret of" not in json.dumps(vars(backend), default=repr)


def test_an_unreadable_secrets_file_is_told_without_its_content(backend: LabSecretsBackend) -> None:
    from quintet.errors import SettingsError

    path = airflow_home.LAB.file.with_name("secrets.yaml")
    away = path.with_suffix(".away")
    path.rename(away)
    try:
        with pytest.raises(SettingsError, match=r"secrets\.yaml cannot be read"):
            backend.get_conn_value("postgres_lake")
        assert backend.get_conn_value("trino_default"), "what needs no secret still works"
    finally:
        away.rename(path)


def test_a_change_of_what_the_scheduler_holds_restarts_it() -> None:
    variables = yaml.safe_load((ROOT / "ansible/roles/airflow/vars/main.yml").read_text(encoding="utf-8"))
    program = (
        "import sys, quintet.airflow.secrets, quintet.airflow.lineage.transport\n"
        "files = (module.__file__ for name, module in sys.modules.items() if name.startswith('quintet'))\n"
        "print(*(file for file in files if file and not file.endswith('__init__.py')), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    held = {str(Path(line).relative_to(ROOT / "include/quintet")) for line in done.stdout.splitlines() if "/" in line}
    assert held == set(variables["_airflow_preloaded"])
