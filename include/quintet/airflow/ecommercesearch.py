"""Tasks of the shop's product search: an index beside the one in use, the aliases moved, and the proof of it."""

from __future__ import annotations

from airflow.sdk import Param

from quintet.airflow import parameters
from quintet.airflow.ecommercebatch import input_param
from quintet.airflow.operators import CallOperator
from quintet.airflow.parameters import FULL_REFRESH, INPUT
from quintet.airflow.search import CheckAlias, CheckCluster
from quintet.catalogue.ecommerce import OWNER, SLUG
from quintet.ecommerce.search.definition import PRODUCTS

__all__ = ["OWNER", "SLUG", "index_params", "index_products"]


def index_params() -> dict[str, Param]:
    """Parameters `input`, the folder with the catalogue, and `full_refresh`, which begins with its stock."""
    consequence = (
        "Begin with the stock of the catalogue and apply every change of the topic again. Else the stock of the index "
        "in use is taken over, where there is one"
    )
    return {**input_param(), **parameters.full_refresh_param("Stock anew", consequence)}


def index_products() -> None:
    """Ask the cluster, build, prove. The provider's hook asks; documents are made outside of Airflow's environment."""
    ask = CheckCluster(task_id="check_cluster")
    build = CallOperator(
        task_id="build",
        function="quintet.ecommerce.search.indexing:run",
        arguments={"input_dir": INPUT, "full_refresh": FULL_REFRESH},
        environment="search",
    )
    prove = CheckAlias(
        task_id="check_alias",
        alias=PRODUCTS,
        index="{{ task_instance.xcom_pull(task_ids='build')['products_index'] }}",
        documents="{{ task_instance.xcom_pull(task_ids='build')['products'] }}",
    )
    # Order that must not change: nothing is built in a cluster that has lost shards.
    ask >> build >> prove
