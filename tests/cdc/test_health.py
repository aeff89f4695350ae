"""Whether a capture is well: what is told of its slot and of its connector's failure, for the source that it is."""

from __future__ import annotations

import pytest

pytest.importorskip("psycopg", reason="the streaming environment has it")
from quintet import alerts
from quintet.catalogue import ChangeSource
from quintet.catalogue.ecommerce import PRICE_LIST
from quintet.catalogue.shop import SHOP
from quintet.cdc import connector, health, slots
from quintet.cdc.connect import State
from quintet.cdc.errors import CaptureError
from quintet.cdc.slots import Slot
from quintet.contracts import ContractError
from quintet.settings import Lab

MB = 1024 * 1024
RUNS = State("RUNNING", ("RUNNING",))


def found(monkeypatch: pytest.MonkeyPatch, *, held: int = 0, status: str = "reserved", state: State = RUNS) -> None:
    slot = Slot("a_slot", True, status, 0, held * MB, 2048 * MB)
    monkeypatch.setattr(slots, "slot_of", lambda _lab, _source: slot)
    monkeypatch.setattr(connector, "state_of", lambda _lab, _source: state)


def warnings(lab: Lab) -> list[str]:
    return [told.alert.project for told in alerts.read(lab) if told.is_open and told.alert.source == health.HELD]


def test_a_slot_that_holds_back_the_log_is_told_once_for_each_source_until_it_does_not(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(monkeypatch, held=1025)
    for source in (PRICE_LIST, SHOP, PRICE_LIST, SHOP):
        assert health.check(lab, source, run_id="first")["connector"] == "RUNNING"
    assert sorted(warnings(lab)) == ["ecommerce", "lakehouse"]
    (told,) = [entry.alert for entry in alerts.read(lab) if entry.alert.project == "ecommerce"]
    assert "quintet capture show ecommerce" in told.remedy
    found(monkeypatch, held=3)
    health.check(lab, PRICE_LIST, run_id="second")
    assert warnings(lab) == ["lakehouse"]


@pytest.mark.parametrize("source", [PRICE_LIST, SHOP], ids=lambda source: str(source.project))
def test_what_has_failed_is_an_error_that_names_the_source_s_own_commands(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, source: ChangeSource
) -> None:
    found(monkeypatch, held=2048, status="lost")
    with pytest.raises(CaptureError, match=f"the slot a_slot is lost.*quintet capture recover {source.project}"):
        health.check(lab, source)
    found(monkeypatch, state=State("RUNNING", ("FAILED",), "a replication slot is in use"))
    with pytest.raises(CaptureError, match=f"in use.*quintet capture show {source.project}"):
        health.check(lab, source)
    topic = source.tables[0].topic
    found(monkeypatch, state=State("RUNNING", ("FAILED",), f"RuleViolationException: {topic.subject}"))
    with pytest.raises(ContractError, match=f"{topic.name} is broken.*quintet capture recover {source.project}"):
        health.check(lab, source)
