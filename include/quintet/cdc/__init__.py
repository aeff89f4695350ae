"""Change data capture: a database's changes by Debezium into topics, and from there, each once, into the lake."""
