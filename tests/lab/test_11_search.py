"""Search and Redis in the lab: users and their rights, TLS, kill -9, a new password, a second play."""

from __future__ import annotations

import base64
import json
import re
import ssl
import subprocess
import textwrap
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from tests.lab.conftest import LabUnderTest, need, wait_until

pytestmark = pytest.mark.lab

#: Bound of waits, in seconds.
SERVICE = 300


@pytest.fixture(scope="module")
def lab(installed: LabUnderTest) -> LabUnderTest:
    need(installed, "search")
    return installed


def entered(lab: LabUnderTest, user: str, password: str | None = None) -> httpx.Client:
    """A client of search as one user."""
    trusted = ssl.create_default_context(cafile=lab.lab.options["search"]["ca"])
    return httpx.Client(
        base_url=lab.lab.endpoint("search").url,
        auth=(user, lab.lab.secret(f"search_{user}") if password is None else password),
        verify=trusted,
        trust_env=False,
        timeout=60,
    )


@pytest.fixture
def index(lab: LabUnderTest) -> Iterator[str]:
    """An index with words, a place and a vector."""
    name = f"quintet-drill-{uuid.uuid4().hex[:8]}"
    method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
    fields = {
        "name": {"type": "text", "analyzer": "german"},
        "place": {"type": "geo_point"},
        "near": {"type": "knn_vector", "dimension": 2, "method": method},
        "typed": {"type": "completion"},
    }
    with entered(lab, "writer") as writer:
        made = writer.put(f"/{name}", json={"settings": {"index.knn": True}, "mappings": {"properties": fields}})
        assert made.status_code == 200, made.text
        yield name
        assert writer.delete(f"/{name}").status_code == 200


def send(writer: httpx.Client, index: str, documents: list[dict[str, Any]], *, refresh: bool = True) -> bool:
    """Index documents by their field `id`; whether all were acknowledged."""
    lines = [line for one in documents for line in ({"index": {"_id": one["id"]}}, one)]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    try:
        answer = writer.post(
            f"/{index}/_bulk?refresh={str(refresh).lower()}",
            content=body,
            headers={"Content-Type": "application/x-ndjson"},
        )
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and not answer.json()["errors"]


def found(reader: httpx.Client, index: str, body: dict[str, Any]) -> list[str]:
    answer = reader.post(f"/{index}/_search", json=body)
    assert answer.status_code == 200, answer.text
    return [hit["_id"] for hit in answer.json()["hits"]["hits"]]


def is_up(lab: LabUnderTest) -> bool:
    try:
        with entered(lab, "reader") as reader:
            health = reader.get("/_cluster/health")
    except httpx.TransportError:
        return False
    return health.status_code == 200 and health.json()["status"] in {"green", "yellow"}


def test_words_a_language_vectors_places_and_beginnings_are_found(lab: LabUnderTest, index: str) -> None:
    documents = [
        {"id": "hat", "name": "Rote Hüte", "near": [1, 0], "place": {"lat": 52.5, "lon": 13.4}, "typed": "Hut"},
        {"id": "shoe", "name": "Blaue Schuhe", "near": [0, 1], "place": {"lat": 48.1, "lon": 11.6}, "typed": "Schuh"},
    ]
    with entered(lab, "writer") as writer, entered(lab, "reader") as reader:
        assert send(writer, index, documents)
        assert found(reader, index, {"query": {"match": {"name": "Schuh"}}}) == ["shoe"]
        assert found(reader, index, {"query": {"fuzzy": {"name": {"value": "schuk"}}}}) == ["shoe"]
        assert found(reader, index, {"size": 1, "query": {"knn": {"near": {"vector": [0.9, 0.1], "k": 1}}}}) == ["hat"]
        near = {"geo_distance": {"distance": "50km", "place": {"lat": 52.4, "lon": 13.1}}}
        assert found(reader, index, {"query": near}) == ["hat"]
        asked = {"suggest": {"s": {"prefix": "schu", "completion": {"field": "typed"}}}}
        told = reader.post(f"/{index}/_search", json=asked).json()["suggest"]["s"][0]["options"]
        assert [option["_id"] for option in told] == ["shoe"]


def test_nobody_gets_in_without_the_right_password_and_beyond_his_rights_and_it_is_kept(
    lab: LabUnderTest, index: str
) -> None:
    with entered(lab, "reader") as reader:
        document = {"name": "from the reader"}
        assert reader.put(f"/{index}/_doc/1", json=document).status_code == 403
        assert reader.delete(f"/{index}").status_code == 403
        assert reader.put("/quintet-of-the-reader").status_code == 403
        assert reader.get("/_plugins/_security/api/internalusers").status_code == 403
    with entered(lab, "writer") as writer:
        assert writer.put("/secret").status_code == 403, "names without a dash belong to nobody"
        assert writer.put("/quintet-misspelt/_doc/1", json=document).status_code == 404, "no index by being written to"
        assert writer.put("/_plugins/_security/api/internalusers/me", json={"password": "x" * 20}).status_code == 403
    for user, password in (("reader", "wrong"), ("admin", "admin"), ("nobody", "wrong")):
        with entered(lab, user, password) as stranger:
            assert stranger.get("/").status_code == 401
    audit = (lab.lab.path("logs") / "search-audit.log").read_text(encoding="utf-8")
    told = [json.loads(line) for line in audit.splitlines()]
    kept = {(one["audit_category"], one.get("audit_request_effective_user")) for one in told}
    assert {("MISSING_PRIVILEGES", "reader"), ("FAILED_LOGIN", "nobody")} <= kept


def test_plain_text_and_strangers_certificates_are_refused(lab: LabUnderTest) -> None:
    door = lab.lab.endpoint("search")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{door.host}:{door.port}/", timeout=20, trust_env=False)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(door.url, timeout=20, trust_env=False)


def test_doors_are_open_to_this_machine_only(lab: LabUnderTest) -> None:
    pids = {pid for name in ("search", "redis") for pid in _tree(lab.service_pid(name))}
    listening = [one for pid in pids for one in psutil.Process(pid).net_connections("inet") if one.status == "LISTEN"]
    assert len(listening) >= 3
    assert {one.laddr.ip.removeprefix("::ffff:") for one in listening} == {"127.0.0.1"}


def _tree(pid: int) -> list[int]:
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def test_services_use_no_more_memory_than_they_declare(lab: LabUnderTest) -> None:
    services = json.loads(lab.quintet("status", "--json").stdout)["services"]
    used = {row["name"]: row for row in services if row["name"] in {"search", "redis"}}
    assert len(used) == 2
    assert [row for row in used.values() if not 0 < row["memory_mb"] <= row["declared_mb"]] == []


def test_kill_9_under_writes_loses_nothing_that_was_acknowledged(lab: LabUnderTest, index: str) -> None:
    acknowledged: set[str] = set()
    number = 0
    with entered(lab, "writer") as writer, entered(lab, "reader") as reader:
        for _ in range(2):
            for _ in range(20):
                batch = [{"id": f"d{number + row}", "name": "Hut"} for row in range(25)]
                if send(writer, index, batch, refresh=False):
                    acknowledged |= {str(one["id"]) for one in batch}
                number += 25
            lab.kill_tree(lab.service_pid("search"))
            assert not send(writer, index, [{"id": "late", "name": "Hut"}], refresh=False)
            wait_until(lambda: is_up(lab), SERVICE, "search answers again")
        assert len(acknowledged) > 500
        assert writer.post(f"/{index}/_refresh").status_code == 200
        kept = set(found(reader, index, {"size": 5000, "query": {"match": {"name": "Hut"}}, "_source": False}))
    assert acknowledged - kept == set()


def redis(lab: LabUnderTest, script: str, password: str | None = None) -> str:
    """What a script prints that has a client of Redis as `redis`."""
    door = lab.lab.endpoint("redis")
    secret = lab.lab.secret("redis_quintet") if password is None else password
    head = f"import sys\nfrom redis import Redis\nredis = Redis('{door.host}', {door.port}, username='quintet', "
    code = f"{head}password=sys.stdin.read(), decode_responses=True)\n{textwrap.dedent(script)}"
    python = lab.lab.environment("search").python
    done = subprocess.run(
        [python, "-c", code], input=secret, capture_output=True, text=True, check=False, timeout=SERVICE
    )
    return done.stdout + done.stderr


def test_redis_keeps_what_is_a_second_old_over_kill_9_and_refuses_strangers(lab: LabUnderTest) -> None:
    key = f"drill:{uuid.uuid4().hex}"
    assert redis(lab, f"print(redis.set('{key}', 'kept', ex=600))") == "True\n"
    time.sleep(2)
    before = lab.service_pid("redis")
    lab.kill_tree(before)
    wait_until(lambda: lab.service_pid("redis") not in {0, before}, SERVICE, "Redis is started again")
    wait_until(lambda: redis(lab, f"print(redis.get('{key}'))") == "kept\n", SERVICE, "the value is there")
    assert "invalid username-password pair" in redis(lab, "redis.ping()", password="wrong")
    assert "no permissions" in redis(lab, "redis.flushall()")
    assert "no permissions" in redis(lab, "redis.config_get('dir')")


def test_what_keeps_the_server_is_in_the_doctors_report(lab: LabUnderTest) -> None:
    told = json.loads(lab.quintet("doctor", "--json", expect=None).stdout)["checks"]
    checks = {check["name"]: check for check in told}
    for name in ("search runs", "search answers", "search lets its user in", "redis lets its user in"):
        assert checks[name]["ok"], checks[name]
    lab.supervisorctl("stop", "search")
    try:
        wrong = {
            check["name"]: check
            for check in json.loads(lab.quintet("doctor", "--json", expect=1).stdout)["checks"]
            if not check["ok"]
        }
        assert "quintet logs search" in wrong["search lets its user in"]["remedy"]
    finally:
        lab.supervisorctl("start", "search")
    wait_until(lambda: is_up(lab), SERVICE, "search answers again")


def test_airflows_hook_and_operators_work_with_the_labs_connection(lab: LabUnderTest, tmp_path: Path) -> None:
    index = f"quintet-airflow-{uuid.uuid4().hex[:8]}"
    script = f"""
    from quintet.airflow.search import AddDocument, CreateIndex, Query, search_hook

    hook = search_hook()
    body = dict(mappings=dict(properties=dict(name=dict(type="text"))))
    CreateIndex(task_id="a", index_name="{index}", index_body=body).execute({{}})
    AddDocument(task_id="b", index_name="{index}", document=dict(name="a red hat"), doc_id=7).execute({{}})
    hook.client.indices.refresh(index="{index}")
    query = dict(query=dict(match=dict(name="hat")))
    answer = Query(task_id="c", index_name="{index}", query=query).execute({{}})
    print("found", [hit["_id"] for hit in answer["hits"]["hits"]])
    hook.client.indices.delete(index="{index}")
    """
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(lab.home),
        "QUINTET_LAB": str(lab.lab.file),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__SECRETS__BACKEND": "quintet.airflow.secrets.LabSecretsBackend",
    }
    done = subprocess.run(
        [lab.lab.environment("airflow").python, "-c", textwrap.dedent(script)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SERVICE,
    )
    assert "found ['7']" in done.stdout, done.stdout[-2000:] + done.stderr[-4000:]


CATALOGUE = """
from pathlib import Path
from quintet.ecommerce.generator import Scale, write_catalogue
from quintet.ecommerce.search.indexing import build_index
from quintet.ecommerce.simulation import Simulation
from quintet.settings import load_lab

scale = Scale(products=2000, users=50)
write_catalogue(Path("{folder}"), Simulation(11, 1_735_689_600_000, 1_735_693_200_000, scale).shop)
# The second takes over the stock of the first, page by page.
built = [build_index(load_lab(), Path("{folder}/catalogue"), is_fed=False) for _ in range(2)]
print("built", [one["products"] for one in built])
"""


def program(lab: LabUnderTest, *words: str) -> str:
    """Output of a program in the environment of search."""
    done = subprocess.run(
        [lab.lab.environment("search").python, *words],
        env={"PATH": "/usr/bin:/bin", "HOME": str(lab.home), "QUINTET_LAB": str(lab.lab.file)},
        capture_output=True,
        text=True,
        check=False,
        timeout=SERVICE,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_the_product_search_tells_how_its_index_is_built_and_finds_what_is_in_it(
    lab: LabUnderTest, tmp_path: Path
) -> None:
    remove = ("-m", "quintet.ecommerce.search", "remove")
    program(lab, *remove)
    with httpx.Client(base_url=lab.lab.endpoint("shop").url, trust_env=False, timeout=60) as client:

        def search() -> httpx.Response:
            key = {"Authorization": f"Bearer {lab.lab.secret('shop_reader')}"}
            return client.get("/api/v1/search", params={"q": "sofa"}, headers=key)

        assert client.get("/health").json()["status"] == "pass"
        assert client.get("/api/v1/search").status_code == 401
        assert (search().status_code, search().json()["error"]["code"]) == (503, "not_indexed")
        assert "built [2000, 2000]" in program(lab, "-c", CATALOGUE.format(folder=tmp_path))
        assert search().json()["total"] > 0
        program(lab, *remove)
        assert search().status_code == 503


def test_a_new_password_counts_after_a_play_and_the_next_play_changes_nothing(lab: LabUnderTest) -> None:
    path = lab.lab.file.with_name("secrets.yaml")
    old = lab.lab.secret("search_reader")
    kept = yaml.safe_load(path.read_text(encoding="utf-8"))
    del kept["search_reader"]
    path.write_text(yaml.safe_dump(kept), encoding="utf-8")
    lab.playbook("site.yml")
    assert lab.lab.secret("search_reader") != old
    assert is_up(lab)
    with entered(lab, "reader", old) as stranger:
        assert stranger.get("/").status_code == 401
    recap = lab.playbook("site.yml")
    assert re.search(r"changed=0 +unreachable=0 +failed=0", recap), recap[-3000:]


def test_no_log_holds_a_password(lab: LabUnderTest) -> None:
    secrets = [lab.lab.secret(name) for name in ("search_admin", "search_writer", "search_reader", "redis_quintet")]
    secrets += [base64.b64encode(f"writer:{secrets[1]}".encode()).decode()]
    logs = [path for name in ("search", "redis") for path in lab.lab.path("logs").glob(f"{name}*")]
    assert len(logs) >= 3
    for path in logs:
        content = path.read_text(encoding="utf-8", errors="replace")
        assert not any(secret in content for secret in secrets), path
