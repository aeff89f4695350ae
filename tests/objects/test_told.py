"""Telling a publication: once each, by a note that outlives the run, in a lab without Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labs import lab_below
from quintet.lakehouse.publishtell import tell
from quintet.settings import Lab

PUBLICATION = {"table": "gold_lakehouse.revenue_daily", "publication_id": "gold_lakehouse.revenue_daily@1-0a"}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    found = lab_below(tmp_path / "lab")
    monkeypatch.setenv("QUINTET_LAB", str(found.file))
    return found


def told(publication: dict[str, Any]) -> bool:
    return bool(tell(publication=publication)["changed"])


@pytest.mark.usefixtures("lab")
def test_a_publication_is_told_once_and_the_next_one_again() -> None:
    assert [told(PUBLICATION), told(PUBLICATION)] == [True, False]
    assert told({**PUBLICATION, "table": "gold_lakehouse.product_abc"}), "tables are told by themselves"
    assert told({**PUBLICATION, "publication_id": "gold_lakehouse.revenue_daily@2-0b"})
    assert told(PUBLICATION), "rows that came back are another publication"


def test_a_note_that_is_no_note_is_written_anew(lab: Lab) -> None:
    assert told(PUBLICATION)
    (note,) = (lab.path("data") / "runs").rglob("*.json")
    note.write_text("{", encoding="utf-8")
    assert [told(PUBLICATION), told(PUBLICATION)] == [True, False]
