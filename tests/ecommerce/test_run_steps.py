"""Steps of a run: the end of an input, versions of products, an input that is sent once, and what is recounted."""

from __future__ import annotations

import getpass
import io
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastavro", reason="the streaming environment has it")
pytest.importorskip("numpy", reason="the streaming environment has it")
import fastavro
import pyarrow.parquet as pq

import naive_shop as naive
from labs import lab_below
from quintet.catalogue.ecommerce import EVENT_TOPICS, LIVE_TABLES
from quintet.ecommerce import pipeline, recount
from quintet.ecommerce.batch import masterdata
from quintet.ecommerce.closing import marks
from quintet.ecommerce.definitions import KINDS, LATENESS_MS, SESSION_GAP_MS
from quintet.ecommerce.dimension import versions
from quintet.ecommerce.ending import SESSION, closes_at
from quintet.ecommerce.sent import RECORD, sent_folder
from quintet.ecommerce.serving import statement_of
from quintet.ecommerce.truth import Truth
from quintet.errors import InputError
from quintet.runs import record
from quintet.settings import Lab
from quintet.streams.batchproducer import Form
from quintet.streams.schemas import value_schema

FORMS = {topic.name: Form.of(topic, lambda _subject, _schema: 1) for topic in EVENT_TOPICS.values()}
END_MS = 1_735_776_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_an_input_can_be_read_and_breaks_a_rule(kind: str) -> None:
    at_ms = closes_at(END_MS)
    topic = EVENT_TOPICS[kind]
    value = marks(FORMS, at_ms)[topic.name]
    row: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), fastavro.parse_schema(value_schema(topic)))
    assert row["timestamp"].timestamp() * 1000 == at_ms
    assert row.get("session_id", SESSION) == SESSION
    # Its own time is that of its arrival: no clock is ahead, another rule refuses it.
    assert naive.broken_by(kind, {**row, "arrived_at": row["timestamp"]}) not in (None, "clock_ahead")


def test_the_end_lies_behind_every_session_that_can_still_go_on() -> None:
    assert closes_at(END_MS) - LATENESS_MS > END_MS + SESSION_GAP_MS


def test_versions_come_in_the_order_of_their_time_with_every_price(small: tuple[Path, Truth]) -> None:
    folder = small[0]
    found = versions(folder).to_pylist()
    changes = pq.read_table(folder / "catalogue" / "price_changes.parquet").to_pylist()
    products = {row["product_id"]: row for row in pq.read_table(folder / "catalogue" / "products.parquet").to_pylist()}
    assert [row["valid_from"] for row in found] == sorted(row["valid_from"] for row in found)
    assert {(row["product_id"], row["valid_from"], row["price"]) for row in found} == {
        (row["product_id"], row["changed_at"], row["price"]) for row in changes
    }
    assert len(found) == len(changes) > len(products)
    for row in found[:500]:
        product = products[row["product_id"]]
        assert all(row[name] == product[name] for name in ("category", "brand", "inventory_count", "reorder_point"))


def test_what_is_recounted_is_what_plain_loops_count(small: tuple[Path, Truth]) -> None:
    folder, truth = small
    records = naive.read(folder)
    events = naive.view(records, with_late=False)
    repeated = recount.repetitions(folder)
    for kind in KINDS:
        known = truth.records[kind]
        assert len(events[kind]) == known["speed_events"]
        parts = known["speed_events"] + repeated[kind] + known["late"] + known["broken"]
        assert parts == known["records"]
    assert sum(recount.malformed(folder).values()) == truth.expect["malformed"]
    assert sum(repeated.values()) > 0


def test_a_line_of_an_order_has_the_price_that_the_catalogue_had_then(small: tuple[Path, Truth]) -> None:
    folder = small[0]
    lines = recount.priced_lines(folder)
    events = naive.view(naive.read(folder), with_late=False)
    assert len(lines) == sum(len(row["products"]) for row in events["purchase"]) > 50
    by_product: dict[int, list[Any]] = {}
    for row in versions(folder).to_pylist():
        by_product.setdefault(row["product_id"], []).append(row)
    for line in lines[:300]:
        held = [row for row in by_product[line[3]] if row["valid_from"] <= line[9]]
        assert line[6:9] == (held[-1]["category"], held[-1]["brand"], held[-1]["price"])


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = lab_below(tmp_path / "lab", user=getpass.getuser())
    monkeypatch.setattr(pipeline, "load_lab", lambda: made)
    return made


def test_an_input_is_sent_once(lab: Lab, small: tuple[Path, Truth]) -> None:
    checked = pipeline.check_input(input_dir=str(small[0]))
    assert (checked["send"], checked["fresh"]) == (True, False)
    record.write(lab, "ecommerce", RECORD, {"state": "sent", "mark": checked["mark"], "input": "a"})
    assert pipeline.check_input(input_dir=str(small[0]))["send"] is False


def test_the_folder_of_what_was_sent_is_known_until_the_project_is_emptied(lab: Lab) -> None:
    assert sent_folder(lab) is None
    record.write(lab, "ecommerce", RECORD, {"state": "sent", "mark": "m", "input": "a"})
    assert sent_folder(lab) == Path("a")
    record.write(lab, "ecommerce", RECORD, {"state": "emptied"})
    assert sent_folder(lab) is None


def test_lists_are_those_of_the_input_that_was_sent_last_unless_a_folder_is_named(lab: Lab) -> None:
    with pytest.raises(InputError, match="no input was sent"):
        masterdata.run(lab_file=str(lab.file))
    record.write(lab, "ecommerce", RECORD, {"state": "sent", "mark": "m", "input": "sent-before"})
    with pytest.raises(InputError, match="sent-before/catalogue"):
        masterdata.run(lab_file=str(lab.file))
    with pytest.raises(InputError, match="named/catalogue"):
        masterdata.run(input_dir="named", lab_file=str(lab.file))


def test_an_emptied_project_begins_without_state(lab: Lab, small: tuple[Path, Truth]) -> None:
    record.write(lab, "ecommerce", RECORD, {"state": "emptied"})
    checked = pipeline.check_input(input_dir=str(small[0]))
    assert (checked["send"], checked["fresh"]) == (True, True)


def test_another_input_and_one_that_was_sent_in_part_are_refused(
    lab: Lab, small: tuple[Path, Truth], tmp_path: Path
) -> None:
    mark = pipeline.check_input(input_dir=str(small[0]))["mark"]
    record.write(lab, "ecommerce", RECORD, {"state": "sending", "mark": mark, "input": "a"})
    with pytest.raises(InputError, match="interrupted: part of it is in the topics"):
        pipeline.check_input(input_dir=str(small[0]))
    record.write(lab, "ecommerce", RECORD, {"state": "sent", "mark": mark, "input": "a"})
    other = tmp_path / "other"
    shutil.copytree(small[0] / "by_day", other / "by_day")
    with pytest.raises(InputError, match="the topics hold another input, a"):
        pipeline.check_input(input_dir=str(other))
    with pytest.raises(InputError, match="holds no input"):
        pipeline.check_input(input_dir=str(tmp_path / "nothing"))


def test_a_table_that_is_served_is_made_with_its_key() -> None:
    (table,) = [table for table in LIVE_TABLES if table.name == "shortages"]
    assert statement_of(table) == (
        "create table if not exists live_ecommerce.shortages (product_id bigint not null, "
        "minute timestamp(3) not null, pieces bigint not null, reorder_point bigint not null, "
        "primary key (product_id, minute))"
    )
