"""The time-series database in the lab: run and proof, a poison file, tokens, kill -9, restore, S3, replicas."""

from __future__ import annotations

import contextlib
import json
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.lab.conftest import LabUnderTest, need, task_runs, wait_until

from quintet import alerts
from quintet.errors import LabError, ServiceDownError
from quintet.timeseries.generator import repair
from quintet.timeseries.labclient import LabClient
from quintet.timeseries.truth import FILE_NAME, Truth

pytestmark = pytest.mark.lab

DAG = "timeseries_run_pipeline"
#: Bounds of waits, in seconds.
STEP, SERVICE = 240, 120


@pytest.fixture(scope="module")
def lab(installed: LabUnderTest) -> LabUnderTest:
    need(installed, "timeseries")
    return installed


@pytest.fixture(scope="module")
def works(lab: LabUnderTest) -> Iterator[Path]:
    """Generated input whose third day is poisoned."""
    folder = lab.lab.path("input") / "test-works"
    shutil.rmtree(folder, ignore_errors=True)
    lab.quintet("generate", "timeseries", "--days", "4", "--seed", "21", "--poison-day", "3", "--out", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def fingerprint(lab: LabUnderTest) -> dict[str, object]:
    with LabClient(lab.lab, "admin") as client:
        found = client.admin("fingerprint")
    found.pop("appended")
    return found


def answers(lab: LabUnderTest) -> bool:
    with contextlib.suppress(LabError), LabClient(lab.lab, "admin") as client:
        return bool(client.admin("stats"))
    return False


def test_tokens_are_generated_and_a_wrong_one_and_one_without_the_right_are_refused(lab: LabUnderTest) -> None:
    tokens = lab.lab.path("config") / "timeseries" / "tokens"
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    shown = {name: lab.lab.secret(f"timeseries_{name}") for name in ("admin", "writer", "reader")}
    assert not any(secret in tokens.read_text(encoding="utf-8") for secret in shown.values())
    url = lab.lab.endpoint("timeseries").url
    for token, status in (("wrong", 401), (shown["reader"], 403), (shown["admin"], 204)):
        body = "quintet_check,by=test value=1 1000000000000000000"
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.post(f"{url}/write", content=body, headers=headers, timeout=30).status_code == status
    asked = httpx.post(f"{url}/admin/retain", headers={"Authorization": f"Bearer {shown['writer']}"}, timeout=30)
    assert asked.status_code == 403


def test_nothing_of_a_poison_file_is_written_and_a_person_reads_which_line(lab: LabUnderTest, works: Path) -> None:
    truth = Truth.read(works / FILE_NAME)
    assert truth.poison is not None
    file = str(truth.poison["file"])
    known = len(lab.alerts())
    failed = lab.quintet("run", "timeseries", "--fresh", "--input", str(works), expect=5)
    told = failed.stdout + failed.stderr
    assert file in told
    assert "line 1:" in told
    assert any(file in json.dumps(alert) for alert in lab.alerts()[known:])
    with LabClient(lab.lab, "reader") as client:
        where = f"labels['site'] = '{truth.site}' AND timestamp >= '2025-01-03' AND timestamp < '2025-01-04'"
        written = client.sql(f"SELECT count(*) FROM points WHERE {where}")["rows"][0][0]
        others = client.sql(f"SELECT count(*) FROM points WHERE labels['site'] = '{truth.site}'")["rows"][0][0]
    late = sum(truth.defects.values())
    assert written <= late, "points of that day in other files at most"
    assert others > 100_000


def test_the_repaired_file_makes_the_run_come_out_as_its_truth_says(lab: LabUnderTest, works: Path) -> None:
    lab.quintet("verify", "timeseries", expect=7)
    repair(works)
    # Files behind the repaired one hold its late lines: sent again in order, what comes last counts.
    lab.quintet("run", "timeseries", "--input", str(works), "--full-refresh")
    checks = json.loads(lab.quintet("verify", "timeseries", "--json").stdout)["checks"]
    assert len(checks) > 30
    assert [check for check in checks if not check["ok"]] == []


def test_a_second_run_sends_nothing_and_changes_nothing(lab: LabUnderTest, works: Path) -> None:
    before = fingerprint(lab)
    done = lab.quintet("run", "timeseries", "--input", str(works), "--json")
    assert json.loads(done.stdout)["state"] == "success"
    assert fingerprint(lab) == before
    report = max((lab.lab.path("docs") / "timeseries" / "loads").glob("*.json"), key=lambda path: path.stat().st_mtime)
    states = {file["state"] for file in json.loads(report.read_text(encoding="utf-8"))["files"]}
    assert states == {"known"}


@pytest.mark.long
def test_a_run_outlives_the_database_being_killed_while_files_are_sent(lab: LabUnderTest, works: Path) -> None:
    before = fingerprint(lab)
    run = lab.start_quintet("run", "timeseries", "--input", str(works), "--full-refresh")
    try:
        wait_until(task_runs(lab, DAG, "load.send"), STEP, "files are sent")
        time.sleep(2)
        lab.kill_tree(lab.service_pid("timeseries"))
        output, told = run.communicate(timeout=STEP * 3)
    finally:
        run.kill()
    assert run.returncode == 0, output[-3000:] + told[-3000:]
    assert fingerprint(lab) == before
    lab.quintet("verify", "timeseries")


@pytest.mark.long
def test_kill_9_under_writes_loses_nothing_that_was_acknowledged(lab: LabUnderTest) -> None:
    acknowledged: dict[int, list[int]] = {number: [] for number in range(3)}
    stop = threading.Event()
    base = 1_760_000_000

    def send(number: int) -> None:
        with LabClient(lab.lab, "writer") as client:
            step = 0
            while not stop.is_set():
                lines = "\n".join(
                    f"drill,thread=d{number} value={row} {base + row}000000000" for row in range(step, step + 50)
                )
                try:
                    client.write(lines.encode())
                except LabError:
                    time.sleep(0.05)
                    continue
                acknowledged[number] += range(step, step + 50)
                step += 50

    threads = [threading.Thread(target=send, args=(number,)) for number in acknowledged]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            time.sleep(2)
            lab.kill_tree(lab.service_pid("timeseries"))
            wait_until(lambda: answers(lab), SERVICE, "the database answers again")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert all(len(rows) > 200 for rows in acknowledged.values())
    with LabClient(lab.lab, "admin") as client:
        for number, rows in acknowledged.items():
            where = f"metric = 'drill_value' AND labels['thread'] = 'd{number}'"
            found = client.sql(f"SELECT value::BIGINT FROM points WHERE {where}")["rows"]
            lost = set(rows) - {row[0] for row in found}
            assert lost == set()
        client.admin("delete", match="drill_value")


@pytest.mark.long
def test_a_backup_is_a_store_that_answers_as_the_live_one(lab: LabUnderTest, tmp_path: Path) -> None:
    done = lab.quintet("run", "timeseries", "--dag", "timeseries_backup_store", "--json")
    assert json.loads(done.stdout)["state"] == "success"
    latest = max((lab.lab.path("backups") / "timeseries").iterdir(), key=lambda path: path.stat().st_mtime)
    python = lab.lab.environment("timeseries").python
    statement = "SELECT metric, count(*), sum(value), max(timestamp)::VARCHAR FROM points GROUP BY 1 ORDER BY 1"

    def command(*words: str) -> str:
        done = subprocess.run(
            [python, "-m", "quintet.timeseries", *words], check=True, capture_output=True, text=True, timeout=SERVICE
        )
        return done.stdout

    command("restore", str(latest), str(tmp_path / "copy"))
    assert "no damage" in command("check", "--data", str(tmp_path / "copy"))
    restored = json.loads(command("sql", "--data", str(tmp_path / "copy"), "--json", statement))["rows"]
    with LabClient(lab.lab, "reader") as client:
        assert restored == client.sql(statement)["rows"]
    assert len(restored) >= 6


def run_dag(lab: LabUnderTest, dag_id: str) -> None:
    done = lab.quintet("run", "timeseries", "--dag", dag_id, "--json")
    assert json.loads(done.stdout)["state"] == "success"


def open_alerts(lab: LabUnderTest) -> set[str]:
    return {told.alert.source for told in alerts.read(lab.lab) if told.is_open and told.alert.project == "timeseries"}


@pytest.mark.long
def test_the_watch_tells_of_refused_lines_once_and_closes_when_it_is_over(lab: LabUnderTest) -> None:
    run_dag(lab, "timeseries_watch_store")
    with LabClient(lab.lab, "writer") as client:
        assert client.write(b"drill value=x 1\n" * 5000)["refused"] == 5000
        run_dag(lab, "timeseries_watch_store")
        assert "watch.rejected" in open_alerts(lab)
        assert client.write(b"drill value=1 1760000000000000000") == {}
    run_dag(lab, "timeseries_watch_store")
    assert "watch.rejected" not in open_alerts(lab)
    with LabClient(lab.lab, "admin") as client:
        client.admin("delete", match="drill_value")


@pytest.mark.long
def test_a_stopped_database_has_sealed_its_log(lab: LabUnderTest) -> None:
    with LabClient(lab.lab, "writer") as client:
        client.write(b"drill,by=stop value=1 1760000000000000000")
    store = lab.lab.path("data") / "timeseries" / "store"
    lab.supervisorctl("stop", "timeseries")
    try:
        last = max((store / "wal").glob("*.wal"))
        state = json.loads((store / "MANIFEST").read_bytes()[24:])
        assert (state["wal_open"], state["wal_bytes"]) == (int(last.stem), last.stat().st_size)
    finally:
        lab.supervisorctl("start", "timeseries")
    wait_until(lambda: answers(lab), SERVICE, "the database answers again")
    with LabClient(lab.lab, "admin") as client:
        assert (client.admin("stats")["wal_cut_bytes"], client.admin("stats")["trouble"]) == (0, "")
        client.admin("delete", match="drill_value")


@pytest.mark.long
def test_old_blocks_lie_in_s3_and_answer_from_there_and_the_store_outlives_it(lab: LabUnderTest) -> None:
    need(lab, "objects")
    settings = lab.lab.path("config") / "timeseries" / "s3.env"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert lab.lab.secret("objects_timeseries") in settings.read_text(encoding="utf-8")
    old, new = int(time.time()) - 200 * 86_400, int(time.time()) - 60
    lines = [f"cold,kind=old value={row} {old + row}000000000" for row in range(50)]
    lines += [f"cold,kind=new value={row} {new + row}000000000" for row in range(50)]
    with LabClient(lab.lab, "admin") as client:
        client.write("\n".join(lines).encode())
        run_dag(lab, "timeseries_move_tiers")
        tiers = client.admin("stats")["blocks_by_tier"]
        assert tiers["s3"] >= 1
        assert tiers["hot"] >= 1

        def sums(kind: str, at: int) -> list[str]:
            found = client.query(f'sum_over_time(cold_value{{kind="{kind}"}}[1m])', at + 49)
            return [one["value"][1] for one in found]

        assert sums("old", old) == ["1225"]
        lab.supervisorctl("stop", "objects")
        try:
            assert sums("new", new) == ["1225"], "what lies here answers"
            with pytest.raises(ServiceDownError, match=r"in S3 at .* it is not reached"):
                sums("old", old)
            client.write(b"cold,kind=late value=1 1760000000000000000")
        finally:
            lab.supervisorctl("start", "objects")
        wait_until(lambda: _answered(lambda: sums("old", old)) == ["1225"], SERVICE, "S3 answers again")
        backup = json.loads(lab.quintet("run", "timeseries", "--dag", "timeseries_backup_store", "--json").stdout)
        assert backup["state"] == "success", "a backup holds blocks of all tiers"
        client.admin("delete", match="cold_value")


def _answered(ask: Callable[[], list[str]]) -> list[str]:
    try:
        return ask()
    except ServiceDownError:
        return []


@pytest.mark.long
def test_a_killed_node_of_the_replicas_loses_nothing_and_catches_up(lab: LabUnderTest) -> None:
    need(lab, "replicas")
    url = lab.lab.endpoint("timeseries_router").url
    written: list[int] = []
    stop = threading.Event()
    base = 1_760_000_000
    headers = {"Authorization": f"Bearer {lab.lab.secret('timeseries_admin')}"}

    def send() -> None:
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            while not stop.is_set():
                first = len(written)
                rows = range(first, first + 20)
                body = "\n".join(f"replica,s={row % 7} value={row} {base + row}000000000" for row in rows)
                if client.post("/write", content=body).status_code == 204:
                    written.extend(rows)

    def count() -> int:
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            answer = client.post("/sql", data={"q": "SELECT count(*) FROM points WHERE metric = 'replica_value'"})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["data"]["rows"][0][0])

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for node in ("timeseries-node-1", "timeseries-node-2", "timeseries-node-3"):
            before = len(written)
            lab.kill_tree(lab.service_pid(node))
            assert count() >= before, "the other replicas answer, and nothing acknowledged is missing"
            door = lab.lab.endpoint(node.replace("-", "_")).url
            wait_until(lambda door=door: _is_fresh(door, lab), SERVICE, f"{node} has caught up")  # type: ignore[misc]
    finally:
        stop.set()
        sender.join()
    assert len(written) > 200
    assert count() == len(written), "nothing is there twice"
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        assert (
            client.get("/api/v1/query", params={"query": "count(replica_value)", "time": base + len(written)}).json()[
                "data"
            ]["result"][0]["value"][1]
            == "7"
        )


def _is_fresh(door: str, lab: LabUnderTest) -> bool:
    """Whether all shards of a node hold what was in the log a moment ago."""
    token = {"Authorization": f"Bearer {lab.lab.secret('timeseries_node')}"}
    try:
        shards = httpx.get(f"{door}/cluster/status", headers=token, timeout=10, trust_env=False).json()["shards"]
    except httpx.HTTPError:
        return False
    stale = [(one["freshness"] or {}).get("stale") for one in shards]
    return bool(stale) and all(one is not None and one < 2 for one in stale)
