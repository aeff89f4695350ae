"""What is told of brokers and partitions: those without a leader, and those that lack a copy."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="the streaming environment has it")
from labs import lab_below
from quintet.errors import ServiceDownError
from quintet.streams import partitions

OPTIONS = {
    "servers": "127.0.0.1:1",
    "security_protocol": "SASL_PLAINTEXT",
    "mechanism": "SCRAM-SHA-512",
    "user": "quintet",
    "admin": "admin",
}


def part(leader: int, copies: list[int], in_step: list[int]) -> Any:
    return SimpleNamespace(leader=leader, replicas=copies, isrs=in_step)


class Admin:
    """A cluster of two brokers, of three; what its user sees."""

    def list_topics(self, timeout: float) -> Any:
        parts = {0: part(1, [1, 2, 3], [1, 2]), 1: part(-1, [3], []), 2: part(1, [1, 2], [2, 1])}
        brokers = {number: SimpleNamespace(host=f"10.0.0.{number}", port=19092) for number in (2, 1)}
        return SimpleNamespace(topics={"shop": SimpleNamespace(topic="shop", partitions=parts)}, brokers=brokers)


def test_what_lacks_something_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = lab_below(tmp_path / "lab", more_doors={"kafka": 1}, options={"kafka": OPTIONS})
    monkeypatch.setattr(partitions, "load_lab", lambda: lab)
    users = []
    monkeypatch.setattr(partitions, "admin", lambda _, user: users.append(user) or Admin())
    assert partitions.partitions() == {
        "brokers": ["10.0.0.1:19092", "10.0.0.2:19092"],
        "offline": ["shop/1"],
        "behind": ["shop/0"],
    }
    assert users == ["admin"]


def test_a_cluster_that_is_silent_is_told_with_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = lab_below(tmp_path / "lab", more_doors={"kafka": 1}, options={"kafka": OPTIONS}, secrets={"kafka_admin": "x"})
    monkeypatch.setattr(partitions, "load_lab", lambda: lab)
    monkeypatch.setattr(partitions, "ANSWER", 1)
    with pytest.raises(ServiceDownError, match=r"127\.0\.0\.1:1"):
        partitions.partitions()
