"""Search and Redis as the playbook configures them, and the certificates that search is known by."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from cryptography import x509

from plays import ANSIBLE, Play

ROLES = ANSIBLE / "roles"
AUTHORITY = ROLES / "authority" / "files" / "authority.py"


def rendered(play: Play, role: str, template: str, target: Path, *before: dict[str, Any], **variables: Any) -> str:
    """A template of a role with the role's own variables."""
    tasks = [
        *before,
        {"name": "Take defaults", "ansible.builtin.include_vars": str(ROLES / role / "defaults/main.yml")},
        {"name": "Take variables", "ansible.builtin.include_vars": str(ROLES / role / "vars/main.yml")},
        {
            "name": "Render",
            "ansible.builtin.template": {
                "src": str(ROLES / role / "templates" / f"{template}.j2"),
                "dest": str(target),
                "mode": "0600",
            },
        },
    ]
    done = play(tasks, profiles="search", **variables)
    assert done.returncode == 0, done.stdout
    return target.read_text(encoding="utf-8")


def more_nodes() -> list[dict[str, Any]]:
    return [
        {
            "name": f"Add {name}",
            "ansible.builtin.add_host": {"name": name, "groups": ["search"], "bind_address": address},
        }
        for name, address in (("two", "10.0.0.2"), ("three", "10.0.0.3"))
    ]


def test_a_node_that_is_alone_waits_for_nobody_and_keeps_no_copies(play: Play, tmp_path: Path) -> None:
    found = yaml.safe_load(rendered(play, "search", "opensearch.yml", tmp_path / "opensearch.yml"))
    assert found["discovery.type"] == "single-node"
    assert "cluster.initial_cluster_manager_nodes" not in found
    assert found["cluster.default_number_of_replicas"] == 0
    assert found["plugins.security.nodes_dn"] == ["CN=localhost,OU=search,O=Quintet local"]
    assert found["network.host"] == "127.0.0.1"


def test_hosts_of_the_group_are_one_cluster_with_copies(play: Play, tmp_path: Path) -> None:
    content = rendered(play, "search", "opensearch.yml", tmp_path / "opensearch.yml", *more_nodes(), port_offset=100)
    found = yaml.safe_load(content)
    assert "discovery.type" not in found
    assert found["discovery.seed_hosts"] == ["127.0.0.1:19400", "10.0.0.2:19400", "10.0.0.3:19400"]
    assert found["cluster.initial_cluster_manager_nodes"] == ["localhost", "two", "three"]
    assert found["cluster.default_number_of_replicas"] == 1
    assert found["plugins.security.nodes_dn"] == [
        f"CN={name},OU=search,O=Quintet local" for name in ("localhost", "two", "three")
    ]


def test_redis_knows_digests_of_passwords_only_and_nobody_without_a_name(play: Play, tmp_path: Path) -> None:
    secrets = {"redis_admin": "one password", "redis_quintet": "another"}
    content = rendered(play, "redis", "redis.conf", tmp_path / "redis.conf", secrets_values=secrets)
    assert not any(secret in content for secret in secrets.values())
    users = [line for line in content.splitlines() if line.startswith("user ")]
    assert users[0] == "user default off"
    digest = hashlib.sha256(b"another").hexdigest()
    assert users[2].startswith(f"user quintet on #{digest} ~* &* +@all -@admin -@dangerous")


def lab_file(play: Play, target: Path, **variables: Any) -> dict[str, Any]:
    tasks = [
        {"name": "Take", "ansible.builtin.include_vars": str(ROLES / "programs/defaults/main.yml")},
        {
            "name": "Render",
            "ansible.builtin.template": {
                "src": str(ROLES / "lab/templates/lab.yaml.j2"),
                "dest": str(target),
                "mode": "0644",
            },
        },
    ]
    done = play(tasks, profiles="search", programs_java_home_spark="/", **variables)
    assert done.returncode == 0, done.stdout
    found: dict[str, Any] = yaml.safe_load(target.read_text(encoding="utf-8"))
    return found


def test_a_server_that_is_there_already_is_named_and_none_is_run(play: Play, tmp_path: Path) -> None:
    own = lab_file(play, tmp_path / "own.yaml")
    assert {"search", "redis"} <= {service["name"] for service in own["services"]}
    assert own["endpoints"]["search"] == {"host": "127.0.0.1", "port": 19200, "scheme": "https"}
    assert own["options"]["search"]["ca"] == str(tmp_path / "home/config/ca.pem")
    assert own["options"]["search"]["nodes"] == ["https://127.0.0.1:19200"]
    given = {"search_url": "https://search.example:9243", "search_ca_file": "/etc/ssl/certs/other.pem"}
    other = lab_file(play, tmp_path / "other.yaml", **given)
    assert other["endpoints"]["search"] == {"host": "search.example", "port": 9243, "scheme": "https"}
    assert other["options"]["search"]["ca"] == "/etc/ssl/certs/other.pem"
    assert "nodes" not in other["options"]["search"]
    assert "search" not in {service["name"] for service in other["services"]}
    assert "redis" in {service["name"] for service in other["services"]}


def authority(*words: str | Path) -> str:
    done = subprocess.run([sys.executable, AUTHORITY, *words], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_certificates_are_of_the_labs_authority_for_their_addresses_and_issued_once(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    assert authority("make", folder, "Quintet local") == "changed\n"
    node = ("issue", folder, "Quintet local", "search", "cpu-node1", "730", "cpu-node1", "10.0.0.1")
    assert authority(*node) == "changed\n"
    assert authority("make", folder, "Quintet local") == authority(*node) == "same\n"
    found = certificate(folder / "search-cpu-node1.pem")
    found.verify_directly_issued_by(certificate(folder / "ca.pem"))
    assert found.subject.rfc4514_string() == "CN=cpu-node1,OU=search,O=Quintet local"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["cpu-node1"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    # The server reads keys in this form only.
    assert (folder / "search-cpu-node1.key").read_text(encoding="ascii").startswith("-----BEGIN PRIVATE KEY-----")
    assert folder.stat().st_mode & 0o077 == 0
    assert [path.name for path in folder.iterdir() if path.stat().st_mode & 0o077] == []


def test_a_certificate_is_issued_anew_for_other_addresses_near_its_end_and_by_a_new_authority(tmp_path: Path) -> None:
    authority("make", tmp_path, "Quintet local")
    client = ("issue", tmp_path, "Quintet local", "search", "admin")
    assert authority(*client, "730") == "changed\n"
    assert authority(*client, "730", "10.0.0.1") == "changed\n"
    assert authority(*client, "20", "10.0.0.2") == "changed\n"
    assert authority(*client, "730", "10.0.0.2") == "changed\n", "it would end within a month"
    assert authority(*client, "730", "10.0.0.2") == "same\n"
    (tmp_path / "ca.key").unlink()
    assert authority("make", tmp_path, "Quintet local") == "changed\n"
    assert authority(*client, "730", "10.0.0.2") == "changed\n"


@pytest.fixture(scope="module")
def assemble() -> ModuleType:
    spec = importlib.util.spec_from_file_location("assemble", ROLES / "search" / "files" / "assemble.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_library_that_server_and_plugin_have_is_taken_from_the_server(assemble: ModuleType, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "plugin.zip", "w") as archive:
        for member in ("guava-33.4.8-jre.jar", "plugin-3.4.0.0.jar", "commons-lang3-3.20.jar", "NOTICE.txt"):
            archive.writestr(member, member)
    lib = tmp_path / "lib"
    lib.mkdir()
    known = {assemble.name(jar) for jar in ("guava-32.1.1-jre.jar", "commons-lang-2.6.jar")}
    assemble.take(tmp_path / "plugin.zip", lib, known)
    assert sorted(path.name for path in lib.iterdir()) == ["commons-lang3-3.20.jar", "plugin-3.4.0.0.jar"]
