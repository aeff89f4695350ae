"""Operators: a Spark job, a function of another environment, a person's approval of a full refresh.

Work runs outside the Airflow environment, as a process that ends with the task; its result is the task's XCom and its
error the task's error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from quintet.airflow.jobs import Job, environment_of
from quintet.settings import Lab, load_lab

__all__ = ["ApproveFullRefresh", "CallOperator", "SparkJobOperator"]

#: How long a full refresh waits for a person before it counts as rejected.
PATIENCE = timedelta(hours=24)


class JobOperator(BaseOperator):
    """Base of the operators that run one process.

    `skip_unless` names a key of the result: when its value is false, the task ends as skipped, and so does what
    needs it.
    """

    def __init__(self, *, skip_unless: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.skip_unless = skip_unless
        self._job: Job | None = None

    def command(self, lab: Lab) -> Sequence[str]:
        """Program and arguments."""
        raise NotImplementedError

    def given(self) -> str:
        """Text for the program's standard input."""
        return ""

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Run the process to its end. Raises the error that it told, of its class."""
        lab = load_lab()
        self._job = Job(
            self.command(lab),
            environment=environment_of(lab),
            directory=lab.path("run"),
            log=self.log.info,
            given=self.given(),
        )
        result = self._job.wait()
        self.log.info("Result: %s", json.dumps(result, ensure_ascii=False)[:2000])
        if self.skip_unless and not result.get(self.skip_unless, True):
            raise AirflowSkipException(f"nothing to do: {json.dumps(result, ensure_ascii=False)[:500]}")
        return result

    def on_kill(self) -> None:
        """End the process and all that it started."""
        if self._job is not None:
            self._job.kill()


class SparkJobOperator(JobOperator):
    """Run `spark_jobs/<application>` with the Spark environment's interpreter.

    The job makes its session from the lab file: the master in there may be `local[*]` or a cluster, the driver runs
    here in both cases. Options with an empty value are left out, `True` makes a flag, `False` leaves it out.
    """

    template_fields = ("options",)
    ui_color = "#f6d7b0"

    def __init__(self, *, application: str, options: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.application = application
        self.options = dict(options or {})

    def command(self, lab: Lab) -> Sequence[str]:
        """Interpreter, job and options."""
        job = lab.path("app") / "spark_jobs" / self.application
        return [str(lab.environment("spark").python), str(job), *self._arguments()]

    def _arguments(self) -> list[str]:
        given: list[str] = []
        for name, value in self.options.items():
            if value == "True":
                given.append(f"--{name}")
            elif value not in {"", "False", "None"}:
                given.append(f"--{name}={value}")
        return given


class CallOperator(JobOperator):
    """Call `module:function` in one of the lab's environments; arguments and result are JSON values.

    `more` are further arguments, for those that differ between mapped tasks.
    """

    template_fields = ("arguments", "more")
    ui_color = "#cfe3f5"

    def __init__(
        self,
        *,
        function: str,
        arguments: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
        environment: str = "spark",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.arguments = arguments or {}
        self.more = more or {}
        self.environment = environment

    def command(self, lab: Lab) -> Sequence[str]:
        """Interpreter and function."""
        return [str(lab.environment(self.environment).python), "-m", "quintet.call", self.function]

    def given(self) -> str:
        """Keyword arguments as JSON."""
        return json.dumps({**self.arguments, **self.more})


class ApproveFullRefresh(ApprovalOperator):
    """Ask a person before tables are thrown away and computed anew; skipped when the run is an ordinary one.

    Rejecting, or not answering within `PATIENCE`, fails the task: nothing after it runs.
    """

    def __init__(self, *, body: str, **kwargs: Any) -> None:
        super().__init__(
            subject="Full refresh: {{ dag.dag_id }}, run {{ run_id }}",
            body=body,
            defaults=ApprovalOperator.REJECT,
            # A skip would let tasks with a lenient trigger rule run.
            fail_on_reject=True,
            response_timeout=PATIENCE,
            **kwargs,
        )

    def execute(self, context: Any) -> Any:
        """Ask, and wait without holding a slot."""
        if not context["params"].get("full_refresh"):
            raise AirflowSkipException("no full refresh is asked for")
        return super().execute(context)
