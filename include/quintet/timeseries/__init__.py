"""A time-series database: write-ahead log, head, immutable blocks, compaction; FORMAT.md draws every file."""
