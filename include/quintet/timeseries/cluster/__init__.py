"""The database over many processes and nodes: series in shards, shards in replicas, Kafka as the replicated log.

| layer | what |
|---|---|
| `placement` | which shard a series is of, which nodes keep a shard, the steps from one placement to the next; pure |
| `record` | bytes of a record of the log |
| `topics`, `log` | Kafka: topics, acknowledged writes, reading from an offset |
| `ledger` | the placement in its compacted topic; one writer at a time |
| `offsets`, `replica` | a shard's store that knows how far into the log it is |
| `node`, `answering`, `nodeserver`, `nodeclient`, `question` | a process with replicas, and how it is asked |
| `gather`, `router` | the cluster as one `Storage`: service, PromQL and SQL work over it as over a store |
| `rebalance` | takes the steps when a node comes or goes |
| `lines` | line protocol from a topic |
| `command` | `python -m quintet.timeseries.cluster` |
"""

from __future__ import annotations
