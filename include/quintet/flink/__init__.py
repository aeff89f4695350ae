"""Jobs of Flink as code: their definitions, and how one version of a job follows another without losing its state.

`definition` reads `flink_jobs/<slug>/<job>/`, `gateway` and `rest` speak with the cluster, `ledger` remembers which
version runs and from which state it began, `deploy` brings the cluster to what is wanted, `watch` tells what is not as
it should be. Nothing here imports Airflow; `quintet.airflow.flink` has the operators.
"""
