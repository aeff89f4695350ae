"""Data contracts: what a producer promises to those who read, as files of the Open Data Contract Standard."""

from quintet.contracts.errors import ContractError
from quintet.contracts.model import Contract, Promise, contracts_folder, read_contract, read_contracts

__all__ = ["Contract", "ContractError", "Promise", "contracts_folder", "read_contract", "read_contracts"]
