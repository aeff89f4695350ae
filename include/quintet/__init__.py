"""Quintet: a data platform distribution. Sub-packages are named for what they do; projects carry their slug."""

__all__ = ["__version__"]

__version__ = "0.1.0"
