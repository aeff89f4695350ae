"""When a stream is through: everything read, the time past, published; and what happens where it lost the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")

from labs import lab_below
from quintet.ecommerce import progress as streams
from quintet.ecommerce.errors import StreamsBehindError
from quintet.ecommerce.progress import JOBS, Progress, wait_until_through
from quintet.settings import Lab
from serving import JsonHandler, serving

OVER_MS = 1000
LOST_MS = -(2**63)
Script = Callable[[Iterable[list[Progress]]], None]


class Flink(JsonHandler):
    """A Flink with one of the jobs: a source, which hears of no time, and two operators."""

    def do_GET(self) -> None:
        answers = {
            "/jobs/overview": {"jobs": [{"name": "ecommerce/live_figures", "state": "RUNNING", "jid": "j"}]},
            "/jobs/j/checkpoints": {"counts": {"completed": 7, "restored": 2}},
            "/jobs/j": {"vertices": [{"id": "source"}, {"id": "join"}, {"id": "sink"}]},
            "/jobs/j/vertices/source/watermarks": [],
            "/jobs/j/vertices/join/watermarks": [{"id": "0.currentInputWatermark", "value": "1500"}],
            "/jobs/j/vertices/sink/watermarks": [
                {"id": "0.currentInputWatermark", "value": "1500"},
                {"id": "1.currentInputWatermark", "value": "1200"},
            ],
        }
        self.say(200, answers[self.path])


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Take what each look finds from a list; the last one is found again and again."""
    monkeypatch.setattr(streams, "EVERY", 0.01)
    monkeypatch.setattr(streams, "PATIENCE", 0.05)

    def give(looks: Iterable[list[Progress]]) -> None:
        left = list(looks)
        monkeypatch.setattr(streams, "progress", lambda _lab: left.pop(0) if len(left) > 1 else left[0])

    return give


def both(*, left: int = 0, checkpoints: int = 5, restored: int = 0, time_ms: int | None = OVER_MS) -> list[Progress]:
    return [Progress(job, "RUNNING", left, checkpoints, restored, None if left else time_ms) for job in JOBS]


def wait(lab: Lab, *, seconds: float = 20, ended: list[str] | None = None) -> list[Progress]:
    told: list[Progress] = []
    again = [] if ended is None else ended
    wait_until_through(lab, over_ms=OVER_MS, seconds=seconds, tell=told.append, end_again=lambda: again.append("again"))
    return told


def test_the_time_of_a_job_is_that_of_its_slowest_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_left", lambda *_of: 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Flink)
    with serving(server):
        lab = lab_below(tmp_path / "lab", more_doors={"flink": server.server_port})
        found, absent = streams.progress(lab)
    assert found == Progress("live_figures", "RUNNING", 0, 7, 2, 1200)
    assert absent == Progress("live_products", "ABSENT", 0, 0)


def test_a_stream_is_through_two_checkpoints_after_its_end(lab: Lab, script: Script) -> None:
    script([both(left=9), both(), both(checkpoints=6), both(checkpoints=7)])
    assert {now.checkpoints for now in wait(lab)} == {5, 6, 7}


def test_checkpoints_count_from_the_last_start_on(lab: Lab, script: Script) -> None:
    script([both(), both(checkpoints=6, restored=1), both(checkpoints=7, restored=1), both(checkpoints=8, restored=1)])
    assert max(now.checkpoints for now in wait(lab)) == 8


def test_a_stream_that_lost_the_time_is_told_the_end_again(lab: Lab, script: Script) -> None:
    ended: list[str] = []
    script([both(time_ms=LOST_MS)])

    def end_again() -> None:
        ended.append("again")
        script([both(left=3), both(checkpoints=8), both(checkpoints=10)])

    wait_until_through(lab, over_ms=OVER_MS, seconds=20, tell=lambda _now: None, end_again=end_again)
    assert ended == ["again"]


def test_a_stream_that_still_reads_is_not_told_the_end_again(lab: Lab, script: Script) -> None:
    ended: list[str] = []
    script([both(left=9)])
    with pytest.raises(StreamsBehindError, match="9 records to go"):
        wait(lab, seconds=0.3, ended=ended)
    assert ended == []


def test_a_stream_that_never_knows_the_time_is_not_through(lab: Lab, script: Script) -> None:
    ended: list[str] = []
    script([both(time_ms=LOST_MS)])
    with pytest.raises(StreamsBehindError):
        wait(lab, seconds=0.4, ended=ended)
    assert len(ended) > 1
