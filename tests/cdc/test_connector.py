"""The connector's configuration holds no secret and leads to the catalogue's topics; causes are found in traces."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

pytest.importorskip("psycopg", reason="the streaming environment has it")
from labs import lab_below
from quintet.catalogue import ChangeSource
from quintet.catalogue.ecommerce import PRICE_LIST, PRODUCT_VERSIONS
from quintet.catalogue.shop import SHOP
from quintet.cdc.connect import State, root_cause
from quintet.cdc.connector import config_of, name_of, remedy_for
from quintet.settings import Lab, read_lab

PASSWORD = "not-to-be-seen"


@pytest.fixture
def streaming(tmp_path: Path) -> Lab:
    lab = lab_below(tmp_path / "lab", secrets={"postgres_debezium": PASSWORD, "postgres_shop": PASSWORD})
    content = yaml.safe_load(lab.file.read_text(encoding="utf-8"))
    content["endpoints"] |= {
        name: {"host": "127.0.0.1", "port": 1, "scheme": "http"} for name in ("postgres", "registry", "connect")
    }
    lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_lab(lab.file)


def test_the_password_is_named_and_not_written(streaming: Lab) -> None:
    config = config_of(streaming, SHOP)
    assert PASSWORD not in str(config)
    assert config["database.password"] == f"${{file:{streaming.file.with_name('secrets.yaml')}:postgres_debezium}}"


@pytest.mark.parametrize("source", [SHOP, PRICE_LIST], ids=lambda source: str(source.name))
def test_debezium_names_become_the_topics_of_the_catalogue(streaming: Lab, source: ChangeSource) -> None:
    config = config_of(streaming, source)
    prefix = config["topic.prefix"]
    assert config["provide.transaction.metadata"] == ("true" if source.transactions else "false")
    written = [
        *(f"{prefix}.{source.database_schema}.{table.name}" for table in source.tables),
        *([f"{prefix}.{config['topic.transaction']}"] if source.transactions else []),
        f"{config['topic.heartbeat.prefix']}.{prefix}",
        f"{prefix}.{config['signal.data.collection']}",
    ]
    routed = []
    for topic in written:
        for name in config["transforms"].split(","):
            if not config[f"transforms.{name}.type"].endswith("RegexRouter"):
                continue
            pattern, target = (config[f"transforms.{name}.{part}"] for part in ("regex", "replacement"))
            if re.fullmatch(pattern, topic):
                topic = re.sub(pattern, target.replace("$1", r"\1"), topic)
        routed.append(topic)
    assert routed == [topic.name for topic in source.topics]


def test_two_captures_of_one_database_share_nothing(streaming: Lab) -> None:
    shop, prices = config_of(streaming, SHOP), config_of(streaming, PRICE_LIST)
    assert shop["database.dbname"] == prices["database.dbname"]
    for name in ("slot.name", "publication.name", "topic.prefix", "table.include.list", "signal.data.collection"):
        assert shop[name] != prices[name]
    assert name_of(SHOP) != name_of(PRICE_LIST)
    assert {topic.name for topic in SHOP.topics}.isdisjoint(topic.name for topic in PRICE_LIST.topics)


def test_a_flat_source_s_records_are_rows_under_the_topic_s_key_and_the_others_are_as_they_were(streaming: Lab) -> None:
    config = config_of(streaming, PRICE_LIST)
    assert config["message.key.columns"] == "ecommerce.product_versions:product_id"
    assert config["time.precision.mode"] == "connect"
    asked = config["snapshot.select.statement.overrides.ecommerce.product_versions"]
    assert asked == "select * from ecommerce.product_versions order by valid_from, product_id"
    steps = [name for name in config["transforms"].split(",") if f"transforms.{name}.predicate" in config]
    assert [config[f"transforms.{name}.type"].rpartition(".")[2] for name in steps] == [
        "ExtractNewRecordState",
        "SetSchemaMetadata$Key",
        "SetSchemaMetadata$Value",
    ]
    (only,) = {config[f"transforms.{name}.predicate"] for name in steps}
    matches = [
        topic.name for topic in PRICE_LIST.topics if re.fullmatch(config[f"predicates.{only}.pattern"], topic.name)
    ]
    assert matches == [PRODUCT_VERSIONS.name], "signs of life and requests stay what Debezium wrote"
    assert not {"predicates", "message.key.columns", "time.precision.mode"} & config_of(streaming, SHOP).keys()


def test_records_are_written_once_and_every_table_is_captured(streaming: Lab) -> None:
    config = config_of(streaming, SHOP)
    assert config["exactly.once.support"] == "required"
    assert config["table.include.list"].split(",") == [f"public.{table.name}" for table in SHOP.tables]
    assert config["publication.autocreate.mode"] == "disabled"
    assert name_of(SHOP) == "lakehouse-shop"


def test_the_last_cause_of_a_trace_is_found() -> None:
    trace = (
        "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded\n\tat a.B.c(B.java:1)\n"
        "Caused by: java.lang.IllegalStateException: half way\n\t... 5 more\n"
        "Caused by: org.postgresql.util.PSQLException: ERROR: replication slot is gone\n\tat d.E.f(E.java:2)\n"
    )
    assert root_cause(trace) == "org.postgresql.util.PSQLException: ERROR: replication slot is gone"
    assert root_cause("") == ""
    assert "quintet capture show" in remedy_for(root_cause(trace), SHOP)
    assert remedy_for("slot no longer available on the server", PRICE_LIST).endswith(
        "quintet capture recover ecommerce"
    )
    assert "quintet run lakehouse --cdc makes it" in remedy_for("Topic x not present in metadata", SHOP)
    assert "quintet run ecommerce makes it" in remedy_for("Topic x not present in metadata", PRICE_LIST)
    assert remedy_for("something else", SHOP) == "The whole trace: quintet logs connect"


@pytest.mark.parametrize(
    ("state", "runs", "failed"),
    [
        (State("RUNNING", ("RUNNING",)), True, False),
        (State("RUNNING", ()), False, False),
        (State("RUNNING", ("FAILED",)), False, True),
        (State("FAILED", ()), False, True),
        (State("STOPPED", ()), False, False),
    ],
)
def test_a_connector_runs_when_it_and_its_task_do(state: State, runs: bool, failed: bool) -> None:
    assert (state.is_running, state.has_failed) == (runs, failed)
