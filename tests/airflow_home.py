"""An Airflow that knows nothing of this machine: own home, own lab file, own small dbt manifest.

Importing this module sets the environment; it must happen before Airflow is imported, so the conftest files of the
suites do it first.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from labs import lab_below
from paths import ROOT
from quintet.settings import Lab, read_lab

__all__ = ["HOME", "LAB", "MODELS", "SNAPSHOT", "manifest"]

#: dbt models of the manifest and what they need; the first is ephemeral.
MODELS = {
    "stg_lakehouse__invoice_lines": (),
    "fct_sales": ("stg_lakehouse__invoice_lines",),
    "revenue_daily": ("fct_sales",),
}
#: Snapshot of the last of them.
SNAPSHOT = "revenue_history"


def manifest() -> dict[str, Any]:
    """A dbt manifest with the keys that Cosmos reads."""
    nodes: dict[str, Any] = {}
    for name, needs in MODELS.items():
        folder = "staging" if name.startswith("stg_") else "marts"
        nodes[f"model.quintet.{name}"] = {
            "unique_id": f"model.quintet.{name}",
            "name": name,
            "resource_type": "model",
            "package_name": "quintet",
            "original_file_path": f"models/{folder}/lakehouse/{name}.sql",
            "path": f"{folder}/lakehouse/{name}.sql",
            "fqn": ["quintet", folder, "lakehouse", name],
            "tags": ["lakehouse"],
            "config": {"materialized": "ephemeral" if folder == "staging" else "table", "tags": ["lakehouse"]},
            "depends_on": {"nodes": [f"model.quintet.{need}" for need in needs]},
        }
    nodes[f"snapshot.quintet.{SNAPSHOT}"] = {
        "unique_id": f"snapshot.quintet.{SNAPSHOT}",
        "name": SNAPSHOT,
        "resource_type": "snapshot",
        "package_name": "quintet",
        "original_file_path": f"snapshots/lakehouse/{SNAPSHOT}.yml",
        "path": f"lakehouse/{SNAPSHOT}.yml",
        "fqn": ["quintet", "lakehouse", SNAPSHOT],
        "tags": [],
        "config": {"materialized": "snapshot", "tags": []},
        "depends_on": {"nodes": ["model.quintet.revenue_daily"]},
    }
    nodes["test.quintet.not_null_fct_sales_line"] = {
        "unique_id": "test.quintet.not_null_fct_sales_line",
        "name": "not_null_fct_sales_line",
        "resource_type": "test",
        "package_name": "quintet",
        "original_file_path": "models/marts/lakehouse/fct_sales.yml",
        "path": "not_null_fct_sales_line.sql",
        "fqn": ["quintet", "marts", "lakehouse", "not_null_fct_sales_line"],
        "tags": ["lakehouse"],
        "config": {"tags": ["lakehouse"]},
        "depends_on": {"nodes": ["model.quintet.fct_sales"]},
    }
    return {"metadata": {"project_name": "quintet"}, "nodes": nodes, "sources": {}, "exposures": {}}


def _lab(home: Path) -> Lab:
    lab = lab_below(home / "lab", trino_port=1)
    app = home / "app"
    target = app / "dbt" / "target"
    target.mkdir(parents=True)
    (app / "dbt" / "models").mkdir()
    (target / "manifest.json").write_text(json.dumps(manifest()), encoding="utf-8")
    (app / "dbt" / "dbt_project.yml").write_text("name: quintet\nprofile: quintet\n", encoding="utf-8")
    (app / "dbt" / "profiles.yml").write_text(
        "quintet: {target: lab, outputs: {lab: {type: trino}}}\n", encoding="utf-8"
    )
    for folder in ("dags", "plugins", "spark_jobs", "flink_jobs"):
        (app / folder).symlink_to(ROOT / folder)
    content = yaml.safe_load(lab.file.read_text(encoding="utf-8"))
    content["paths"]["app"] = str(app)
    content["environments"] |= {name: str(home / "envs" / name) for name in ("airflow", "dbt")}
    content["endpoints"] |= {
        "postgres": {"host": "127.0.0.1", "port": 15432, "scheme": "postgresql"},
        "airflow": {"host": "127.0.0.1", "port": 1, "scheme": "http"},
        "spark_history": {"host": "127.0.0.1", "port": 1, "scheme": "http"},
        "search": {"host": "127.0.0.1", "port": 1, "scheme": "https"},
    }
    content["options"]["search"] = {"ca": "/ca.pem", "admin": "admin", "writer": "writer", "reader": "reader"}
    lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
    secrets = lab.file.with_name("secrets.yaml")
    names = (
        "postgres_lake",
        "postgres_shop",
        "postgres_airflow",
        "search_writer",
        "airflow_jwt",
        "airflow_fernet",
        "airflow_secret_key",
    )
    secrets.write_text(yaml.safe_dump({name: f"secret of {name}: a/b@c" for name in names}), encoding="utf-8")
    secrets.chmod(0o600)
    return read_lab(lab.file)


HOME = Path(tempfile.mkdtemp(prefix="quintet-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
LAB = _lab(HOME)
os.environ |= {
    "AIRFLOW_HOME": str(HOME / "airflow"),
    "QUINTET_LAB": str(LAB.file),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
    "AIRFLOW__API_AUTH__JWT_SECRET": "for tests only: " + "0" * 64,
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
    "AIRFLOW__COSMOS__CACHE_DIR": str(HOME / "cosmos"),
    "DO_NOT_TRACK": "1",
}
