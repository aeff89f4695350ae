"""The command: its verbs on a folder and on a running service, its output and its exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import httpx
import pytest

from free_ports import free_port
from paths import ROOT
from quintet.timeseries.command import main

#: s
NOW = 1_700_000_000
LINES = "\n".join(f"cpu,host={host} user={n}i {(NOW - n) * 10**9}" for host in "ab" for n in range(50))
#: s; it stops a hanging test and measures nothing.
LIMIT = 120
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "include")}


def line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "quintet.timeseries", *arguments]


def run(*arguments: str, text: str = "", token: str = "", status: int = 0) -> str:
    """Run to the end, in this process, as starting one takes a second; its output, the errors after it."""
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        patch.setenv("QUINTET_TIMESERIES_TOKEN", token)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
    assert (ended.value.code or 0) == status, errors.getvalue()
    return out.getvalue() + errors.getvalue()


@pytest.fixture
def data(tmp_path: Path) -> str:
    folder = tmp_path / "store"
    folder.mkdir()
    assert run("write", "--data", str(folder), text=LINES) == "100 points written\n"
    return str(folder)


VERBS = [
    "serve",
    "write",
    "query",
    "sql",
    "explain",
    "flush",
    "compact",
    "snapshot",
    "restore",
    "check",
    "token",
    "downsample",
    "roll-up",
    "rebuild-rollups",
]


def test_every_verb_has_a_help_that_says_what_it_does() -> None:
    overview = run("--help")
    assert "Exit codes: 0 done" in overview
    assert [verb for verb in VERBS if f"    {verb} " not in overview.replace("\n", " \n")] == []
    assert "--durability" in run("serve", "--help")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["query", "up"], ["write", "--data", "a", "--url", "b"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert "usage:" in run(*arguments, status=2)


def test_a_store_in_a_folder_is_asked_and_looked_after(data: str, tmp_path: Path) -> None:
    assert run("query", "--data", data, "sum by (host) (cpu_user)", "--time", str(NOW)) == (
        f"host=a\t{NOW}\t0\nhost=b\t{NOW}\t0\n"
    )
    ranged = json.loads(
        run(
            "query",
            "--data",
            data,
            "max(cpu_user)",
            "--start",
            str(NOW - 10),
            "--end",
            str(NOW),
            "--step",
            "5s",
            "--json",
        )
    )
    assert ranged["result"] == [{"metric": {}, "values": [[NOW - 10, "10"], [NOW - 5, "5"], [NOW, "0"]]}]
    statement = "SELECT labels['host'] AS host, sum(value) AS total FROM points GROUP BY 1 ORDER BY 1"
    assert run("sql", "--data", data, statement) == "host\ttotal\na\t1225.0\nb\t1225.0\n"
    run("flush", "--data", data)
    touched = run("explain", "--data", data, 'cpu_user{host="a"}', "--end", str(NOW))
    assert touched.startswith('cpu_user{host="a"}\tblocks 1 of 1\tchunks 1 of 2')
    assert "blocks 1 of 1" in run("explain", "--data", data, "--sql", "SELECT * FROM points WHERE metric = 'cpu_user'")
    assert "blocks_out" in json.loads(run("compact", "--data", data))
    assert run("check", "--data", data) == "no damage\n"
    run("snapshot", "--data", data, str(tmp_path / "snapshot"))
    run("restore", str(tmp_path / "snapshot"), str(tmp_path / "restored"))
    assert run("sql", "--data", str(tmp_path / "restored"), "SELECT count(*) FROM points") == "count_star()\n100\n"


def test_buckets_are_printed_rollups_made_and_made_anew(data: str) -> None:
    asked = ("downsample", "--data", data, 'cpu_user{host="a"}', "--start", str(NOW - 60), "--end", str(NOW))
    text = run(*asked, "--step", "1m", "--fill", "null").splitlines()
    columns = ["series", "labels", "timestamp", "count", "sum", "min", "max", "mean", "first", "last"]
    assert text[0].split("\t") == columns
    assert [row.split("\t")[3:7] for row in text[1:]] == [
        ["29", "1015.0", "21.0", "49.0"],
        ["21", "210.0", "0.0", "20.0"],
    ]
    assert json.loads(run("roll-up", "--data", data)) == {"windows": {}}
    assert json.loads(run("rebuild-rollups", "--data", data)) == {"rebuilt": 0, "windows": {}}
    assert "does not fit into days" in run("serve", "--data", data, "--rollup", "7h", status=2)
    assert "Write it like 5m" in run("serve", "--data", data, "--rollup", "1h:soon", status=2)
    assert "'cubic' is none" in run(*asked, "--step", "1m", "--fill", "cubic", status=4)


def test_refused_lines_are_named_and_end_with_4(data: str) -> None:
    report = run("write", "--data", data, "--precision", "s", text="m f=1 1\nm f=x 2\n", status=4)
    assert report == "1 points written\nline 2: invalid field value\n1 lines refused\n"


def test_what_is_wrong_is_said_in_one_line_with_its_exit_code(data: str, tmp_path: Path) -> None:
    assert "at the end of the query" in run("query", "--data", data, "sum(", status=4)
    assert "only SELECT" in run("sql", "--data", data, "DROP TABLE points", status=4)
    assert "is no folder" in run("check", "--data", str(tmp_path / "nothing"), status=4)
    assert "does not answer" in run("query", "--url", f"http://127.0.0.1:{free_port()}", "up", status=6)
    assert "http://127.0.0.1" in run("query", "--url", "nonsense", "up", status=3)
    assert "--tokens FILE" in run("serve", "--data", data, "--host", "10.0.0.1", status=3)


def test_the_command_is_a_module_that_runs_on_its_own(data: str) -> None:
    asked = line("query", "--data", data, "count(cpu_user)", "--time", str(NOW))
    done = subprocess.run(asked, capture_output=True, text=True, timeout=LIMIT, env=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"\t{NOW}\t2\n", "")


def test_damage_is_found_and_ends_with_7(data: str) -> None:
    run("flush", "--data", data)
    block = next(Path(data).rglob("*.block"))
    raw = bytearray(block.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    block.write_bytes(raw)
    assert "1 damaged" in run("check", "--data", data, status=7)


def test_a_service_is_written_to_asked_and_ended_politely(tmp_path: Path) -> None:
    folder, tokens = tmp_path / "store", tmp_path / "tokens"
    token = run("token", str(tokens), "me", "read", "write", "admin").strip()
    reader = run("token", str(tokens), "reader", "read").strip()
    address = f"http://127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        line("serve", "--data", str(folder), "--port", address.rpartition(":")[2], "--tokens", str(tokens)),
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    with server:
        try:
            wait_until_ready(address, server)
            assert run("write", "--url", address, text=LINES, token=token) == "written\n"
            assert "line 1: fields missing" in run("write", "--url", address, text="m", token=token, status=4)
            assert "no scope 'write'" in run("write", "--url", address, text=LINES, token=reader, status=3)
            assert "unauthorized" in run("query", "--url", address, "cpu_user", status=3)
            assert run("query", "--url", address, "sum(cpu_user)", "--time", str(NOW), token=reader) == f"\t{NOW}\t0\n"
            assert run("sql", "--url", address, "SELECT count(*) AS n FROM points", token=reader) == "n\n100\n"
            run("flush", "--url", address, token=token)
            assert "blocks 1 of 1" in run("explain", "--url", address, "cpu_user", "--end", str(NOW), token=reader)
            assert "is open" in run("query", "--data", str(folder), "cpu_user", status=6)
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0
    assert run("sql", "--data", str(folder), "SELECT count(*) AS n FROM points") == "n\n100\n"


def wait_until_ready(address: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        assert server.poll() is None
        try:
            if httpx.get(f"{address}/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"the service is not ready after {LIMIT} s")
