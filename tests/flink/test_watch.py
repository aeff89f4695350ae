"""What is alerted, once and until it is over, and what is started again."""

from __future__ import annotations

import pytest

from flink_definitions import make_definition
from flink_server import RESTORE_FAILED, FlinkServer, Job
from quintet import alerts
from quintet.errors import LabError, ServiceDownError
from quintet.flink import checks
from quintet.flink.definition import JobDefinition, Thresholds
from quintet.flink.deploy import Deployer, finish
from quintet.flink.errors import FlinkError
from quintet.flink.ledger import Ledger
from quintet.flink.rest import FlinkRest
from quintet.flink.watch import source_of, watch
from quintet.runs import record
from quintet.settings import Lab

LIMITS = Thresholds(consumer_lag=100, checkpoint_age_s=60, checkpoint_failures=2, restarts=4, back_pressure=0.5)


@pytest.fixture
def job(lab: Lab, cluster: FlinkServer, request: pytest.FixtureRequest) -> tuple[JobDefinition, Job]:
    """A job that runs, of a project of its own: the ledger is one for all tests."""
    definition = make_definition("numbers", slug=request.node.name.split("[")[0][-50:], alerts=LIMITS)
    job_id = deploy(lab, definition)
    return definition, cluster.jobs[job_id]


def deploy(lab: Lab, definition: JobDefinition) -> str:
    with FlinkRest(lab) as rest, Ledger(lab) as ledger:
        deployer = Deployer(lab, rest=rest, ledger=ledger, log=lambda _: None)
        return finish(rest, lambda: deployer.deploy(definition, attempt="a")).job_id


def looked(lab: Lab, definition: JobDefinition, run: str) -> list[tuple[str, str, bool]]:
    """Look once; the alerts of the log: what about, how bad, whether open."""
    watch(lab, definition.slug, run_id=run, log=lambda _: None)
    return [(told.alert.source.rpartition(":")[2], told.alert.severity, told.is_open) for told in alerts.read(lab)]


def test_a_job_that_is_well_is_measured_and_not_alerted(lab: Lab, job: tuple[JobDefinition, Job]) -> None:
    definition, _ = job
    assert looked(lab, definition, "1") == []
    (seen,) = (record.read(lab, definition.slug, "streams") or {})["jobs"]
    assert (seen["job"], seen["state"], seen["consumer_lag"], seen["version"]) == (
        definition.full_name, "RUNNING", 0, definition.version,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "severity", "ill"),
    [
        ("checkpoint_age", "critical", {"checkpoint_age_s": 61.0}),
        ("checkpoint_failures", "critical", {"history": ["FAILED", "FAILED", "COMPLETED"]}),
        ("restarts", "critical", {"restarts": 4}),
        ("consumer_lag", "warning", {"pending": 101.0}),
        ("back_pressure", "warning", {"back_pressure": 0.51}),
    ],
)
def test_each_threshold_has_its_alert_told_once_and_cleared_when_it_is_over(
    kind: str, severity: str, ill: dict[str, object], lab: Lab, job: tuple[JobDefinition, Job]
) -> None:
    definition, found = job
    well = {name: getattr(found, name) for name in ill}
    vars(found).update(ill)
    assert looked(lab, definition, "1") == [(kind, severity, True)]
    assert looked(lab, definition, "2") == [(kind, severity, kind != "restarts")], "restarts count since the last look"
    vars(found).update(well)
    assert looked(lab, definition, "3") == [(kind, severity, False)]
    (told,) = alerts.read(lab)
    assert told.alert.source == source_of(definition.full_name, kind)
    assert definition.full_name in told.alert.title
    assert told.alert.remedy


@pytest.mark.parametrize(
    "ill", [{"checkpoint_age_s": 59.0}, {"pending": 100.0}, {"back_pressure": 0.5}, {"restarts": 3}]
)
def test_up_to_a_threshold_nothing_is_told(ill: dict[str, object], lab: Lab, job: tuple[JobDefinition, Job]) -> None:
    definition, found = job
    vars(found).update(ill)
    assert looked(lab, definition, "1") == []


def test_a_job_that_went_with_its_jobmanager_is_told_and_started_again(
    lab: Lab, cluster: FlinkServer, job: tuple[JobDefinition, Job]
) -> None:
    definition, _ = job
    cluster.restart()
    assert looked(lab, definition, "1") == [("state", "critical", True)]
    assert len(cluster.running(definition.full_name)) == 1
    assert looked(lab, definition, "2") == [("state", "critical", False)]
    assert len(cluster.submitted) == 2


def test_a_job_that_failed_is_told_with_its_root_and_started_again(
    lab: Lab, cluster: FlinkServer, job: tuple[JobDefinition, Job]
) -> None:
    definition, found = job
    found.state, found.failures = "FAILED", ["java.io.EOFException: cut short\n\tat a.B.c(D.java)"]
    looked(lab, definition, "1")
    (told,) = alerts.read(lab)
    assert told.alert.detail == "EOFException: cut short"
    assert len(cluster.running(definition.full_name)) == 1


def test_what_cannot_be_started_again_is_an_error_stays_alerted_and_is_not_tried_every_minute(
    lab: Lab, cluster: FlinkServer, job: tuple[JobDefinition, Job]
) -> None:
    definition, _ = job
    cluster.restart()
    cluster.on_submit = lambda given, statement: RESTORE_FAILED
    with pytest.raises(FlinkError, match="Cannot map state of operator 7"):
        watch(lab, definition.slug, run_id="1", log=lambda _: None)
    tried = len(cluster.statements)
    assert looked(lab, definition, "2") == [("state", "critical", True)]
    assert len(cluster.statements) == tried


def test_a_job_that_was_stopped_by_a_person_is_left_alone(
    lab: Lab, cluster: FlinkServer, job: tuple[JobDefinition, Job]
) -> None:
    definition, _ = job
    with FlinkRest(lab) as rest, Ledger(lab) as ledger:
        deployer = Deployer(lab, rest=rest, ledger=ledger, log=lambda _: None)
        finish(rest, lambda: deployer.stop(definition.full_name, attempt="s"))
    assert looked(lab, definition, "1") == []
    assert len(cluster.submitted) == 1


def test_a_cluster_that_is_away_is_an_error_and_no_verdict(
    lab: Lab, cluster: FlinkServer, job: tuple[JobDefinition, Job]
) -> None:
    definition, _ = job
    cluster.down = True
    with pytest.raises(ServiceDownError):
        watch(lab, definition.slug, run_id="1", log=lambda _: None)
    assert alerts.read(lab) == []


def test_health_names_everything_that_ails(
    lab: Lab, job: tuple[JobDefinition, Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    definition, found = job
    monkeypatch.setattr(checks, "load_lab", lambda: lab)
    assert checks.what_ails(definition.full_name)["is_healthy"]
    found.checkpoint_age_s, found.pending = 61.0, 101.0
    told = checks.what_ails(definition.full_name)
    assert not told["is_healthy"]
    assert len(told["findings"]) == 2
    found.state = "RESTARTING"
    assert any("is RESTARTING" in finding for finding in checks.what_ails(definition.full_name)["findings"])
    with pytest.raises(LabError, match="was never deployed"):
        checks.what_ails("lakehouse/never")
