"""Records of a topic are deleted also while the broker does not follow the topic's new settings yet."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, cast

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from quintet.ecommerce import emptying


class Refusing:
    """Deletes after so many refusals."""

    def __init__(self, refusals: int, code: int) -> None:
        self.left, self.code, self.asked = refusals, code, 0

    def delete_records(self, until: list[TopicPartition]) -> dict[TopicPartition, Future[None]]:
        self.asked += 1
        answer: Future[Any] = Future()
        if self.left:
            self.left -= 1
            answer.set_exception(KafkaException(KafkaError(self.code)))
        else:
            answer.set_result(None)
        return dict.fromkeys(until, answer)


PLACE = [TopicPartition("ecommerce.products.changed", 0, 7)]


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "PAUSE", 0.01)


def test_a_broker_that_does_not_follow_the_new_settings_yet_is_asked_again() -> None:
    broker = Refusing(3, KafkaError.POLICY_VIOLATION)
    emptying._delete(cast("AdminClient", broker), PLACE)
    assert broker.asked == 4


@pytest.mark.parametrize(
    ("code", "answer"), [(KafkaError.POLICY_VIOLATION, 0.05), (KafkaError.TOPIC_AUTHORIZATION_FAILED, 20)]
)
def test_a_refusal_that_stays_and_any_other_is_told(monkeypatch: pytest.MonkeyPatch, code: int, answer: float) -> None:
    monkeypatch.setattr(emptying, "ANSWER", answer)
    with pytest.raises(KafkaException):
        emptying._delete(cast("AdminClient", Refusing(10**9, code)), PLACE)
