"""A shop that is open now, against real servers: what it sends is what its truth says, its products are captured."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("numpy", reason="the streaming environment has it")
pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
from topic_content import messages_of

from quintet.call import RESULT
from quintet.catalogue.ecommerce import EVENT_TOPICS, PRICE_LIST, PRODUCT_VERSIONS
from quintet.ecommerce import capture, live
from quintet.ecommerce.truth import FILE_NAME, Truth
from quintet.settings import Lab
from quintet.streams.registry import Registry

if TYPE_CHECKING:
    from shop_capture import ShopCapture

SIZE = ["--products", "1000", "--users", "300"]


@pytest.fixture(scope="module")
def lab(shop_capture: ShopCapture) -> Lab:
    """A lab with all that it needs; its price list is empty."""
    capture.stop_and_empty(shop_capture.lab)
    return shop_capture.lab


@pytest.fixture
def run(lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the program in that lab; what it tells."""
    monkeypatch.setattr(live, "load_lab", lambda: lab)

    def program(*words: str) -> dict[str, Any]:
        assert live.main([*words, *SIZE]) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(RESULT)]
        return dict(json.loads(line.removeprefix(RESULT)))

    return program


def times_of(lab: Lab) -> list[int]:
    """Times of all records of the shop's topics."""
    door = lab.endpoint("kafka")
    return [
        message.timestamp()[1]
        for topic in EVENT_TOPICS.values()
        for message in messages_of(f"{door.host}:{door.port}", topic.name, topic.partitions)
    ]


def test_an_open_shop_sends_at_its_time_what_its_truth_says_and_an_input_can_follow(
    lab: Lab, run: Any, small: tuple[Path, Truth], tmp_path: Path
) -> None:
    before = time.time() * 1000
    told = run("--rate", "300", "--seconds", "5", "--out", str(tmp_path))
    after = time.time() * 1000
    truth = Truth.read(tmp_path / FILE_NAME)
    assert told["expect"] == truth.expect
    assert told["records"] == truth.expect["records"] + truth.expect["malformed"] > 500
    sent = times_of(lab)
    assert len(sent) == told["records"]
    assert before < truth.begin <= min(sent) <= max(sent) < truth.end < after + 1000
    assert {path.stem for path in (tmp_path / "catalogue").iterdir()} >= {"products", "judgements", "price_changes"}
    door = lab.endpoint("kafka")
    announced = messages_of(f"{door.host}:{door.port}", PRODUCT_VERSIONS.name, PRODUCT_VERSIONS.partitions)
    assert len({message.key() for message in announced}) >= 1000, "every product has a version"
    assert max(message.timestamp()[1] for message in announced) < truth.begin, "before anything happens to it"

    replayed = run("--input", str(small[0]))
    assert replayed["records"] == small[1].expect["records"] + small[1].expect["malformed"]
    assert len(times_of(lab)) == told["records"] + replayed["records"]
    topics = [*EVENT_TOPICS.values(), *PRICE_LIST.topics]
    assert set(Registry.of(lab).subjects()) == {s for topic in topics for s in (topic.subject, topic.key_subject)}


def test_what_cannot_be_sent_is_told_with_an_exit_code(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live.main(["--input", str(tmp_path)]) == 4
    assert "holds no input" in capsys.readouterr().err


def test_a_measurement_sends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert live.main(["--measure", "--rate", "100", "--seconds", "5", *SIZE]) == 0
    told = json.loads(capsys.readouterr().out.removeprefix(RESULT))
    assert told["records"] > 100
    assert told["records_a_second"] > 0


def test_an_open_shop_needs_a_place_for_its_truth(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        live.main(["--rate", "5"])
    assert end.value.code == 2
    assert "--out" in capsys.readouterr().err
