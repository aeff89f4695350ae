"""Slowly changing dimensions from change logs, and questions about their history."""

from quintet.scd.bitemporal import as_of_both, history_in_two_times
from quintet.scd.history import Attributes, history
from quintet.scd.questions import as_of, join_as_of, paths

__all__ = ["Attributes", "as_of", "as_of_both", "history", "history_in_two_times", "join_as_of", "paths"]
