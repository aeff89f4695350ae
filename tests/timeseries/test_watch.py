"""The watch: every rule is fired by a service that has the trouble, told once, and closed when it is over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from lab_service import SECRETS, TOKENS, lab_with_door
from services import served

from free_ports import free_port
from quintet import alerts
from quintet.errors import ServiceDownError
from quintet.settings import Lab
from quintet.timeseries import Options, Store, upkeep, wal, watch
from quintet.timeseries.errors import StoreError
from quintet.timeseries.service import ServiceOptions
from quintet.timeseries.watchrules import SOURCES, Finding, Sample, Thresholds, findings, read_metrics

WRITER = {"Authorization": f"Bearer {SECRETS['timeseries_writer']}"}
DAY = 86_400


class Watched:
    """A lab whose database is `client`, looked at by `look`."""

    def __init__(self, lab: Lab, client: httpx.Client) -> None:
        self.lab = lab
        self.client = client
        self._runs = 0

    def write(self, lines: str) -> int:
        return self.client.post("/write", content=lines, headers=WRITER).status_code

    def look(self, **limits: float) -> dict[str, Any]:
        self._runs += 1
        # Of what this machine's disk and clock are, no test depends.
        limits = {"disk": 0.0, "disk_critical": 0.0, "backup_seconds": 1e9, **limits}
        return watch.look(f"run-{self._runs}", limits=limits, lab_file=str(self.lab.file))

    @property
    def open(self) -> list[tuple[str, str]]:
        """Severity and source of open alerts."""
        return [(told.alert.severity, told.alert.source) for told in alerts.read(self.lab) if told.is_open]


@contextmanager
def watched(folder: Path, options: Options, service: ServiceOptions | None = None) -> Iterator[Watched]:
    with Store.open(folder / "store", options) as store, served(store, tokens=TOKENS, options=service) as client:
        yield Watched(lab_with_door(folder / "lab", client.base_url.port or 0), client)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path, Options(background=False, max_series=10)) as made:
        yield made


def test_a_healthy_database_gives_no_alert(database: Watched) -> None:
    assert database.write("m,a=1 f=1 1\nm,a=2 f=1 1") == 204
    assert database.look() == {"found": [], "told": [], "closed": 0}
    assert database.open == []


def test_a_log_that_the_disk_refuses_is_critical(database: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(wal.os, "fdatasync", broken)
        assert database.write("m f=1 1") == 500
    assert database.client.get("/ready").status_code == 503, "no write is taken any more"
    assert database.look()["told"] == ["watch.log", "watch.trouble"]
    assert database.open == [("critical", "watch.log"), ("critical", "watch.trouble")]
    (told, _) = alerts.read(database.lab)
    assert "1 writes or syncs of the log have failed" in told.alert.detail
    assert told.alert.dag_id is None


def test_trouble_in_the_background_is_critical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> int:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(Store, "retain", fails)
    with watched(tmp_path, Options(background=False), ServiceOptions(care_seconds=0.01)) as database:
        until(lambda: "care_failures_total" in database.client.get("/metrics").text)
        assert database.look()["told"] == ["watch.trouble"]


def test_points_refused_for_too_many_series_are_critical_and_so_near_the_limit_is_a_warning(database: Watched) -> None:
    assert database.write("\n".join(f"m,a={number} f=1 1" for number in range(9))) == 204
    assert database.look()["told"] == []
    assert database.write("m,a=9 f=1 1") == 204
    assert database.look()["told"] == ["watch.series"]
    assert database.write("m,a=10 f=1 1") == 400
    assert database.look()["told"] == ["watch.refused"]
    assert database.open == [("warning", "watch.series"), ("critical", "watch.refused")]
    # Nothing more was refused since: that is over, the series are still there and known.
    assert database.look() == {"found": ["watch.series"], "told": [], "closed": 1}
    assert database.open == [("warning", "watch.series")]


def test_more_refused_lines_than_a_share_are_a_warning_until_the_sender_is_mended(database: Watched) -> None:
    assert database.write("\n".join(["m f=x 1", *(f"m f=1 {number}" for number in range(200))])) == 400
    assert database.look()["told"] == [], "a line in two hundred"
    assert database.write("\n".join(["m f=x 1"] * 5 + ["m f=1 1"] * 100)) == 400
    assert database.look()["told"] == ["watch.rejected"]
    assert database.write("m f=1 1") == 204
    assert database.look()["closed"] == 1
    assert database.open == []


def test_a_disk_that_is_nearly_full_is_told_again_when_it_gets_worse(database: Watched) -> None:
    assert database.look(disk=1.1)["told"] == ["watch.disk"]
    assert database.look(disk=1.1)["told"] == []
    assert database.look(disk=1.1, disk_critical=1.1)["told"] == ["watch.disk"]
    assert database.open == [("warning", "watch.disk"), ("critical", "watch.disk")]
    assert database.look()["closed"] == 2


def test_an_old_backup_is_a_warning_until_there_is_a_new_one(database: Watched) -> None:
    installed = database.lab.path("config") / "timeseries" / "tokens"
    installed.parent.mkdir()
    installed.touch()
    os.utime(installed, (time.time() - 8 * DAY,) * 2)
    assert database.look(backup_seconds=7 * DAY)["told"] == ["watch.backup"]
    assert "8.0 days" in alerts.read(database.lab)[0].alert.detail
    database.write("m f=1 1")
    upkeep.back_up("now", lab_file=str(database.lab.file))
    assert database.look(backup_seconds=7 * DAY)["closed"] == 1


def test_a_database_that_does_not_answer_fails_the_look(tmp_path: Path) -> None:
    lab = lab_with_door(tmp_path, free_port())
    with pytest.raises(ServiceDownError, match="does not answer"):
        watch.look("run", lab_file=str(lab.file))


@pytest.mark.parametrize("content", [None, "", "{"])
def test_a_look_whose_last_figures_are_lost_counts_from_the_start(database: Watched, content: str | None) -> None:
    last = database.lab.path("run") / "timeseries-watch.json"
    if content is not None:
        last.write_text(content)
    database.write("m f=x 1")
    assert database.look()["told"] == ["watch.rejected"]
    assert "start_time_seconds" in last.read_text()


def test_counters_count_from_the_last_look_and_from_zero_after_a_restart() -> None:
    before = Sample({"start_time_seconds": 1, "lines_refused_total": 50, 'points_written_total{protocol="line"}': 100})
    same = replace(before, metrics={**before.metrics, 'points_written_total{protocol="line"}': 200})
    assert findings(same, before) == []
    restarted = replace(before, metrics={**before.metrics, "start_time_seconds": 2})
    assert [one.source for one in findings(restarted, before)] == ["watch.rejected"]


def test_every_source_has_a_rule_that_says_what_to_do() -> None:
    worst = Sample(
        {
            "store_wal_failures": 1,
            "store_series": 10,
            "store_series_limit": 10,
            "store_disk_size_bytes": 100,
            "store_disk_free_bytes": 1,
            "lines_refused_total": 1,
            'points_refused_total{reason="series limit"}': 1,
        },
        backup_age=30 * DAY,
        trouble="no room",
    )
    found: list[Finding] = findings(worst, Sample(), Thresholds())
    assert {one.source for one in found} == {f"watch.{name}" for name in SOURCES}
    assert all(one.title and one.detail and one.remedy for one in found)


def test_figures_of_other_programs_and_comments_are_left_out() -> None:
    text = '# TYPE a counter\nquintet_timeseries_a{b="c d"} 2\nother 3\nquintet_timeseries_e 1e+09\n'
    assert read_metrics(text) == {'a{b="c d"}': 2, "e": 1e9}


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
