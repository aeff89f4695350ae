"""Build the index of the product search from the shop's catalogue, beside the one in use, and move the aliases to it.

## Reads

The catalogue of the folder in parameter `input`, or of the input that was sent last; the stock of the index in use, and
the place that the feed of stock changes has reached in Kafka.

## Writes

A new generation of the indices behind the aliases `ecommerce-products` and `ecommerce-suggestions`; the one before
stays, older ones go. The feed goes on with the new one by itself. Searches are answered all the while.

## Cadence

By hand: after the first `quintet run ecommerce`, and when the catalogue has changed. Needs the profile `search`.

## Rerun

Any time. An index that was not completed is removed, and the aliases stay where they were. `full_refresh` begins with
the stock of the catalogue and applies every change that is in the topic again.

## Triage

- `check_cluster` fails: OpenSearch does not answer or has lost shards (`quintet doctor`, `quintet logs search`).
- `build` fails: the message names the table of the catalogue, or the document that is refused.
- `check_alias` fails: the alias leads elsewhere, or documents are missing; the message has both names.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from quintet.airflow.defaults import dag_defaults
from quintet.airflow.ecommercesearch import OWNER, SLUG, index_params, index_products

with DAG(
    dag_id="ecommerce_index_products",
    description="The index of the product search, anew behind its alias",
    schedule=None,
    is_paused_upon_creation=False,
    params=index_params(),
    doc_md=__doc__,
    **dag_defaults(SLUG, "index", owner=OWNER, ends_within=timedelta(hours=1)),
):
    index_products()
