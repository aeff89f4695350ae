"""What belongs together in group_vars (services, ports, profiles, memory), and a lab file that follows the profiles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from plays import ANSIBLE, Play, player

#: What the profile of streams may hold together on one machine.
STREAMING_MB = 6 * 1024


def values(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ANSIBLE / "group_vars" / "all" / f"{name}.yml").read_text(encoding="utf-8"))
    return found


PROFILES = values("profiles")["profile_catalogue"]
SERVICES = values("services")["service_catalogue"]
PORTS = values("ports")["ports"]


def test_every_service_belongs_to_a_profile_and_its_door_is_a_port() -> None:
    assert [service["name"] for service in SERVICES if service["profile"] not in PROFILES] == []
    assert [service["name"] for service in SERVICES if service.get("endpoint", "postgres") not in PORTS] == []


def test_no_port_is_given_twice_and_profiles_name_existing_ones() -> None:
    assert len(set(PORTS.values())) == len(PORTS)
    assert [port for profile in PROFILES.values() for port in profile.get("ports", []) if port not in PORTS] == []


@pytest.mark.parametrize("profile", ["streaming", "search", "dashboards", "monitoring"])
def test_the_services_of_a_profile_fit_into_what_it_declares(profile: str) -> None:
    declared = sum(service["memory_mb"] for service in SERVICES if service["profile"] == profile)
    assert 0 < declared <= PROFILES[profile]["memory_mb"]


def test_a_service_of_two_profiles_is_there_with_both_only(play: Play) -> None:
    told = {
        "name": "Tell",
        "ansible.builtin.debug": {"msg": "placed {{ placed_services | map(attribute='name') | join(' ') }}."},
    }
    chosen = ("monitoring", "monitoring,search", "search", "search,streaming")
    done = play([told], each=[{"profiles": profiles} for profiles in chosen])
    monitoring, with_search, alone, both = re.findall(r"placed .*?\.", done.stdout)
    assert " node-exporter postgres-exporter monitor alertmanager prometheus." in monitoring
    exporters = "node-exporter postgres-exporter redis-exporter search-exporter"
    assert f" {exporters} monitor alertmanager prometheus." in with_search
    assert " redis search shop airflow-api-server " in alone
    assert " redis search shop shop-feed airflow-api-server " in both


@pytest.fixture(scope="module")
def lab_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the lab file of each profile."""
    folder = tmp_path_factory.mktemp("profiles")
    render = {
        "name": "Render",
        "ansible.builtin.template": {
            "src": str(ANSIBLE / "roles/lab/templates/lab.yaml.j2"),
            "dest": f"{folder}/{{{{ profiles }}}}.yaml",
            "mode": "0644",
        },
    }
    take = {
        "name": "Take the environments",
        "ansible.builtin.include_vars": str(ANSIBLE / "roles/programs/defaults/main.yml"),
    }
    each = [{"profiles": profile} for profile in ("lakehouse", "streaming", "search", "monitoring", "dashboards")]
    done = player(folder / "play", folder / "home")([take, render], each=each, programs_java_home_spark="/")
    assert done.returncode == 0, done.stdout
    return folder


def test_streams_fit_into_what_they_may_hold_together() -> None:
    assert PROFILES["streaming"]["memory_mb"] <= STREAMING_MB


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        ("lakehouse", {"environments": {"spark"}, "endpoints": {"trino", "spark_history"}}),
        (
            "streaming",
            {
                "environments": {"streaming", "flink"},
                "endpoints": {"kafka", "registry", "connect", "flink", "flink_sql_gateway"},
            },
        ),
        ("search", {"environments": {"search"}, "endpoints": {"search", "redis", "shop"}}),
        (
            "monitoring",
            {"environments": {"monitoring"}, "endpoints": {"prometheus", "alertmanager", "monitor"}},
        ),
        (
            "dashboards",
            {
                "environments": {"spark", "superset"},
                "endpoints": {"trino", "spark_history", "superset"},
                "profiles": {"lakehouse"},
            },
        ),
    ],
)
def test_the_lab_file_names_what_the_profiles_bring_and_no_more(
    lab_files: Path, profiles: str, expected: dict[str, set[str]]
) -> None:
    lab = yaml.safe_load((lab_files / f"{profiles}.yaml").read_text(encoding="utf-8"))
    assert set(lab["environments"]) == {"service", "airflow", "dbt", "controller"} | expected["environments"]
    assert set(lab["endpoints"]) == {"postgres", "airflow"} | expected["endpoints"]
    assert {service["profile"] for service in lab["services"]} == {"core", profiles} | expected.get("profiles", set())
