"""Counters of the service: those of `quintet.webservice`, which other services share."""

from quintet.webservice.counters import CONTENT_TYPE, Counters

__all__ = ["CONTENT_TYPE", "Counters"]
