"""Errors of contracts.

GateError
└── ContractError   what is offered is not what was promised; the message names the contract and its owner
"""

from __future__ import annotations

from collections.abc import Sequence

from quintet.errors import GateError

__all__ = ["ContractError"]


class ContractError(GateError):
    """What is offered is not what was promised; `breaches` says in what."""

    def __init__(self, contract: str, owner: str, breaches: Sequence[str], *, remedy: str = "") -> None:
        super().__init__(
            f"the contract {contract} is broken: {'; '.join(breaches)}. Owner: {owner}",
            remedy=remedy
            or f"{owner} takes the change back, or agrees on a new version of the contract with its readers",
        )
        self.contract = contract
        self.owner = owner
        self.breaches = tuple(breaches)
