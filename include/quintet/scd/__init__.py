"""Slowly changing dimensions from change logs, and questions about their history."""

from quintet.scd.history import Attributes, history
from quintet.scd.questions import as_of, join_as_of, paths

__all__ = ["Attributes", "as_of", "history", "join_as_of", "paths"]
