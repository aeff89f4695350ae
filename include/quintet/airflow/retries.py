"""When a failed task is tried again: decided by the class of its error.

What a person must mend (input, gate, settings, a decision) fails at once. What may be over in a minute (a service
that does not answer, a job that was killed) is tried again with growing delays. Anything else is tried again as
often as the task's `retries` allow.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from quintet.airflow.errors import JobKilledError
from quintet.errors import GateError, InputError, LabError, SettingsError, VerifyError

__all__ = ["BACK_OFF", "RETRY_BY_CLASS"]

#: Delays of 10, 20, 40 s … for the tries that the policy allows.
BACK_OFF: dict[str, Any] = {
    "retries": 3,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=5),
}

_REFUSED = "airflow.providers.standard.exceptions.HITLRejectException"
_UNANSWERED = "airflow.providers.standard.exceptions.HITLTimeoutError"

RETRY_BY_CLASS = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[InputError, GateError, SettingsError, VerifyError],
            action=RetryAction.FAIL,
            reason="A person must mend this first: another try would end the same",
        ),
        RetryRule(
            exception=[_REFUSED, _UNANSWERED],
            action=RetryAction.FAIL,
            reason="A person decided, or nobody did",
        ),
        RetryRule(
            exception=[LabError, JobKilledError, ConnectionError, TimeoutError],
            action=RetryAction.RETRY,
            reason="A service may be back soon",
        ),
    ],
)
