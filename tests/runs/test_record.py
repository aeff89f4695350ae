"""Records of runs: written whole, read back, absent ones told apart."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from quintet.runs import record
from quintet.settings import Lab


def test_what_was_written_is_read_back_with_its_time(lab: Lab) -> None:
    record.write(lab, "shop", "last_run", {"state": "success", "net": Decimal("1.50")})
    found = record.read(lab, "shop", "last_run")
    assert found is not None
    age = datetime.now(UTC) - datetime.fromisoformat(found.pop("at"))
    assert timedelta(0) <= age < timedelta(minutes=1)
    assert found == {"state": "success", "net": "1.50"}


def test_a_record_that_was_never_written_is_none(lab: Lab) -> None:
    assert record.read(lab, "shop", "last_verify") is None


def test_a_record_is_replaced_and_leaves_no_draft(lab: Lab) -> None:
    record.write(lab, "shop", "last_run", {"state": "failed"})
    path = record.write(lab, "shop", "last_run", {"state": "success"})
    assert [entry.name for entry in path.parent.iterdir()] == ["last_run.json"]
    found = record.read(lab, "shop", "last_run")
    assert found is not None
    assert found["state"] == "success"


def test_a_record_that_cannot_be_written_leaves_the_last_one(lab: Lab) -> None:
    record.write(lab, "shop", "last_run", {"state": "success"})
    circle: dict[str, object] = {}
    circle["self"] = circle
    with pytest.raises(ValueError, match="Circular"):
        record.write(lab, "shop", "last_run", circle)
    found = record.read(lab, "shop", "last_run")
    assert found is not None
    assert found["state"] == "success"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands over")
def test_a_tree_is_handed_over_whole(lab: Lab) -> None:
    inner = lab.path("input") / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file.csv").write_text("x", encoding="utf-8")
    os.chown(inner / "file.csv", 65534, 65534)
    record.hand_over(lab, lab.path("input") / "a")
    assert (inner / "file.csv").stat().st_uid == os.geteuid()
