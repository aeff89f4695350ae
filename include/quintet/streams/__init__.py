"""Streams: topics as they are declared, schemas in the registry, records that could not be read."""
