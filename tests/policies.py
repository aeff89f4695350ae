"""What policies of the cloud say about a request: enough of their language for those of `infrastructure/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["allowed", "denied"]


def allowed(policy: Mapping[str, Any], action: str, resource: str) -> bool:
    """Whether a policy of a principal lets it do something."""
    return _decided(policy, "Allow", action, resource, {})


def denied(policy: Mapping[str, Any], action: str, resource: str, **context: str) -> bool:
    """Whether a policy of a resource refuses a request of anybody; `context` as aws_SecureTransport="false"."""
    facts = {name.replace("_", ":", 1): value for name, value in context.items()}
    return _decided(policy, "Deny", action, resource, facts)


def _decided(policy: Mapping[str, Any], effect: str, action: str, resource: str, facts: Mapping[str, str]) -> bool:
    return any(
        statement["Effect"] == effect
        and _any(statement["Action"], action)
        and _any(statement["Resource"], resource)
        and all(_holds(test, wanted, facts) for test, wanted in statement.get("Condition", {}).items())
        for statement in policy["Statement"]
    )


def _any(patterns: str | Sequence[str], value: str) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in _listed(patterns))


def _holds(test: str, wanted: Mapping[str, str | Sequence[str]], facts: Mapping[str, str]) -> bool:
    # What is not known of a request differs from every text.
    known = {
        "Bool": lambda fact, values: fact in values,
        "BoolIfExists": lambda fact, values: fact is None or fact in values,
        "StringNotEquals": lambda fact, values: fact not in values,
    }
    return all(known[test](facts.get(name), _listed(values)) for name, values in wanted.items())


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
