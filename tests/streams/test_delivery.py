"""Records that no broker takes are told, not lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")

from labs import lab_below
from quintet.streams.delivery import Delivery
from quintet.streams.errors import TopicError

KAFKA = {"security_protocol": "PLAINTEXT", "mechanism": "PLAIN", "user": "quintet"}


def test_records_that_no_broker_takes_are_told_with_the_first_reason(tmp_path: Path) -> None:
    lab = lab_below(tmp_path, more_doors={"kafka": 1}, options={"kafka": KAFKA}, secrets={"kafka_quintet": "x"})
    delivery = Delivery(lab, "two records were not written", {"message.timeout.ms": 200})
    delivery.flush()
    for number in range(2):
        delivery.put("platform.tests", key=str(number), value=b"x")
    with pytest.raises(TopicError, match=r"two records were not written by Kafka at .*:.* timed out.*quintet doctor"):
        delivery.flush()
