"""The clients of Flink's doors, and what they say when a door is closed or refuses."""

from __future__ import annotations

import pytest

from flink_definitions import make_definition
from flink_server import REFUSED, RESTORE_FAILED, FlinkServer, Job
from labs import lab_below
from quintet.errors import ServiceDownError
from quintet.flink import submit
from quintet.flink.errors import FlinkError, StatementError, UnknownJobError
from quintet.flink.gateway import SqlSession
from quintet.flink.rest import FlinkRest
from quintet.settings import Lab

JOB = "a" * 32


def test_what_a_job_does_is_read(lab: Lab, cluster: FlinkServer) -> None:
    frame = "\n\tat a.B.c(D.java)\n"
    trace = f"java.lang.RuntimeException: outer{frame}Caused by: java.io.EOFException: no more{frame}"
    cluster.jobs[JOB] = Job(
        "lakehouse/x", restarts=2, failures=[trace, "x.Y: z"], back_pressure=0.25, pending=17,
        history=["IN_PROGRESS", "FAILED", "FAILED", "COMPLETED", "FAILED"],
    )  # fmt: skip
    with FlinkRest(lab) as rest:
        (job,) = rest.jobs()
        assert (job.job_id, job.name, job.state, job.is_alive, job.ended_at) == (
            JOB,
            "lakehouse/x",
            "RUNNING",
            True,
            None,
        )
        assert rest.job(JOB) == job
        taken = rest.checkpoints(JOB)
        assert (taken.completed, taken.failed, taken.failed_in_row) == (1, 3, 2)
        assert taken.last_failure == "Checkpoint expired before completing."
        assert taken.latest is not None
        assert taken.latest.path == f"file:/checkpoints/{JOB}/chk-5"
        assert [(failure.root, failure.task) for failure in rest.failures(JOB)] == [
            ("EOFException: no more", "Source: numbers (1/1)"),
            ("Y: z", ""),
        ]
        assert (rest.restarts(JOB), rest.back_pressure(JOB), rest.pending_records(JOB)) == (2, 0.25, 17)
        assert rest.slots() == (7, 8)
        cluster.jobs[JOB].pending = None
        assert rest.pending_records(JOB) is None


def test_a_savepoint_is_taken_once_however_often_it_is_asked_for(lab: Lab, cluster: FlinkServer) -> None:
    cluster.jobs[JOB] = Job("lakehouse/x")
    cluster.slow = 1
    with FlinkRest(lab) as rest:
        for _ in range(2):
            rest.savepoint(JOB, folder="file:/s", trigger_id="b" * 32)
        assert not rest.savepoint_state(JOB, "b" * 32).is_done
        assert rest.savepoint_state(JOB, "b" * 32).path == "file:/s/savepoint-0"
        cluster.jobs[JOB].savepoint_error = "java.io.IOException: No space left\n\tat a.B.c(D.java)"
        rest.stop(JOB, folder="file:/s", trigger_id="c" * 32)
        assert rest.savepoint_state(JOB, "c" * 32).error == "IOException: No space left"


def test_a_job_that_is_not_known_is_an_error_of_its_own(lab: Lab) -> None:
    with FlinkRest(lab) as rest, pytest.raises(UnknownJobError, match="FlinkJobNotFoundException"):
        rest.job(JOB)


def test_a_cluster_that_is_away_is_told_from_one_that_refuses(lab: Lab, cluster: FlinkServer) -> None:
    cluster.down = True
    with FlinkRest(lab) as rest, pytest.raises(ServiceDownError, match=r"JobManager does not answer.*status 503"):
        rest.jobs()
    with pytest.raises(ServiceDownError, match="SQL gateway does not answer"), SqlSession(lab, {}):
        pass
    closed = lab_below(lab.path("home") / "closed", more_doors={"flink": 1, "flink_sql_gateway": 1})
    with FlinkRest(closed) as rest, pytest.raises(ServiceDownError, match="quintet doctor"):
        rest.jobs()


def test_statements_give_rows_and_the_session_is_closed(lab: Lab, cluster: FlinkServer) -> None:
    with SqlSession(lab, {"a": "b"}) as session:
        assert session.run("SET 'x' = 'y'").rows == (("OK",),)
        with pytest.raises(StatementError, match="SqlValidatorException: Column 'nothing' not found") as told:
            session.run("SELECT nothing FROM t")
    assert "Statement: SELECT nothing FROM t" in str(told.value)
    assert list(cluster.sessions.values()) == [{"a": "b"}]
    assert cluster.closed == 1


def test_a_submission_says_who_it_is_and_where_it_starts(lab: Lab, cluster: FlinkServer) -> None:
    job = make_definition("x", parallelism=2, checkpoint_interval_s=7, options={"table.optimizer.x": "1"})
    operators = submit.submit(lab, job, job_id=JOB, started_from="file:/s/savepoint-1", labels={"version": job.version})
    assert [operator.kind for operator in operators] == ["Source", "Sink"]
    (given,) = cluster.submitted
    assert given == {
        "pipeline.name": "lakehouse/x",
        "parallelism.default": "2",
        "execution.checkpointing.interval": "7s",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "table.optimizer.x": "1",
        "$internal.pipeline.job-id": JOB,
        "pipeline.global-job-parameters": f"quintet.version:{job.version}",
        "execution.state-recovery.path": "file:/s/savepoint-1",
        "execution.state-recovery.claim-mode": "NO_CLAIM",
        "execution.state-recovery.ignore-unclaimed-state": "false",
    }
    assert cluster.statements[0].endswith("WITH ('s' = '127.0.0.1:1')")


def test_a_submission_that_is_refused_tells_the_root(lab: Lab, cluster: FlinkServer) -> None:
    cluster.on_submit = lambda properties, statement: RESTORE_FAILED
    with pytest.raises(FlinkError, match="Cannot map state of operator 7"):
        submit.submit(lab, make_definition("x"), job_id=JOB, started_from=None, labels={})
    cluster.on_submit = lambda properties, statement: REFUSED
    with pytest.raises(StatementError, match="Column 'nothing' not found"):
        submit.submit(lab, make_definition("x"), job_id=JOB, started_from=None, labels={})
