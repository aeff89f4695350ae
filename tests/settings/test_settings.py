"""The lab file is read, checked, and says what to do when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from quintet.errors import SettingsError
from quintet.settings import lab_path, load_lab, read_lab


def raw() -> dict[str, object]:
    return {
        "format": 1,
        "name": "local",
        "profiles": ["core"],
        "user": "quintet",
        "service_manager": "supervisor",
        "paths": {"home": "/srv/q", "lake": "/srv/q/data/lake"},
        "endpoints": {"trino": {"host": "127.0.0.1", "port": 18080, "scheme": "http"}},
        "environments": {"spark": "/srv/q/envs/spark"},
        "services": [
            {"name": "trino", "order": 20, "memory_mb": 2500, "log": "/srv/q/logs/trino.log", "endpoint": "trino"},
            {"name": "postgres", "order": 10, "memory_mb": 200, "log": "/srv/q/logs/postgres.log"},
        ],
    }


def written(folder: Path, content: object) -> Path:
    path = folder / "lab.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_a_good_file_gives_endpoints_paths_and_services_in_start_order(tmp_path: Path) -> None:
    lab = read_lab(written(tmp_path, raw()))
    assert lab.endpoint("trino").url == "http://127.0.0.1:18080"
    assert lab.path("lake") == Path("/srv/q/data/lake")
    assert lab.environment("spark").python == Path("/srv/q/envs/spark/bin/python")
    assert [service.name for service in lab.services] == ["postgres", "trino"]


def test_nodes_tell_where_a_service_is_to_run(tmp_path: Path) -> None:
    nodes = {
        "one": {"address": "10.0.0.1", "services": ["trino", "postgres"]},
        "two": {"address": "10.0.0.2", "services": ["trino"]},
    }
    lab = read_lab(written(tmp_path, {**raw(), "node": "two", "nodes": nodes}))
    assert (lab.node, lab.nodes[lab.node].address) == ("two", "10.0.0.2")
    assert [node.name for node in lab.where("trino")] == ["one", "two"]
    assert [node.name for node in lab.where("postgres")] == ["one"]
    assert lab.where("kafka") == ()
    with pytest.raises(SettingsError, match=r"names no nodes\. Run: make install"):
        read_lab(written(tmp_path, raw())).where("trino")


def test_an_absent_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no lab file at .*Install the lab first: make install"):
        read_lab(tmp_path / "lab.yaml")


@pytest.mark.parametrize("content", [{"format": 99}, [], "text", {**raw(), "services": [{"order": 1}]}])
def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(SettingsError, match="Run: make install"):
        read_lab(written(tmp_path, content))


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no endpoint 'kafka' \(it has: trino\)"):
        read_lab(written(tmp_path, raw())).endpoint("kafka")


def test_a_secret_is_read_from_the_file_beside_it_and_never_shown(tmp_path: Path) -> None:
    lab = read_lab(written(tmp_path, raw()))
    (tmp_path / "secrets.yaml").write_text("airflow_admin: open-sesame\n", encoding="utf-8")
    assert lab.secret("airflow_admin") == "open-sesame"
    assert "open-sesame" not in repr(lab)


def test_secrets_that_cannot_be_read_name_the_user_who_may(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Run as the lab's user"):
        read_lab(written(tmp_path, raw())).secret("airflow_admin")


def test_the_place_of_the_file_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QUINTET_HOME", str(tmp_path))
    assert lab_path() == tmp_path / "config" / "lab.yaml"
    monkeypatch.setenv("QUINTET_LAB", "/elsewhere/lab.yaml")
    assert lab_path() == Path("/elsewhere/lab.yaml")


def test_a_process_sees_the_profiles_that_were_added_after_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUINTET_LAB", str(written(tmp_path, raw())))
    before = load_lab()
    assert load_lab() is before
    (tmp_path / "new").mkdir()
    written(tmp_path / "new", raw() | {"profiles": ["core", "timeseries"]}).replace(tmp_path / "lab.yaml")
    assert load_lab().profiles == ("core", "timeseries")
    (tmp_path / "lab.yaml").unlink()
    with pytest.raises(SettingsError, match="no lab file"):
        load_lab()
