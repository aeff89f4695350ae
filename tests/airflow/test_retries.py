"""Which error is tried again."""

from __future__ import annotations

import pytest
from airflow.providers.standard.exceptions import HITLRejectException, HITLTimeoutError

from quintet.airflow.errors import JobFailedError, JobKilledError
from quintet.airflow.retries import BACK_OFF, RETRY_BY_CLASS
from quintet.errors import GateError, InputError, LabError, ServiceDownError, SettingsError, VerifyError
from quintet.lake.errors import FileRefusedError, LandingError

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (InputError("a.csv: column Country is missing"), "fail"),
        (FileRefusedError("a.csv", "is empty", remedy="send it"), "fail"),
        (GateError("the gate refused a.csv"), "fail"),
        (SettingsError("no lab file"), "fail"),
        (VerifyError("41 is not 42"), "fail"),
        (HITLRejectException("no"), "fail"),
        (HITLTimeoutError("nobody"), "fail"),
        (LabError("Trino refused"), "retry"),
        (ServiceDownError("Trino does not answer"), "retry"),
        (LandingError("no space left"), "retry"),
        (JobKilledError("SIGKILL"), "retry"),
        (ConnectionRefusedError("refused"), "retry"),
        (TimeoutError("late"), "retry"),
        (JobFailedError("exit code 1"), "default"),
        (ValueError("?"), "default"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_class_of_an_error_decides(error: Exception, action: str) -> None:
    decision = RETRY_BY_CLASS.evaluate(error, try_number=1, max_tries=3)
    assert decision.action.value == action
    assert decision.retry_delay is None, "the delay grows by the task's own settings"


def test_delays_grow_up_to_a_bound() -> None:
    assert BACK_OFF["retry_exponential_backoff"] > 1
    assert BACK_OFF["retry_delay"] < BACK_OFF["max_retry_delay"]


def test_the_policy_survives_the_way_into_the_database() -> None:
    again = type(RETRY_BY_CLASS).deserialize(RETRY_BY_CLASS.serialize())
    assert again.evaluate(GateError("x"), 1, 3).action.value == "fail"
    assert again.evaluate(ServiceDownError("x"), 1, 3).action.value == "retry"
