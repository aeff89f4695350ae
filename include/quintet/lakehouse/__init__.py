"""The project `lakehouse`: medallion of an online shop."""
