"""The provider `opensearch` with the lab's server: its hook and operators, made to trust the lab's own authority.

The provider passes no file of certificates on from its connection (1.15.0), so that it reaches servers with public
certificates only. `LabConnection` adds the file that the lab names; everything else is the provider's.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.providers.opensearch.hooks.opensearch import OpenSearchHook
from airflow.providers.opensearch.operators.opensearch import (
    OpenSearchAddDocumentOperator,
    OpenSearchCreateIndexOperator,
    OpenSearchQueryOperator,
)
from opensearchpy import RequestsHttpConnection

from quintet.settings import load_lab

__all__ = ["AddDocument", "CreateIndex", "LabConnection", "Query", "search_hook"]

#: Connection that the lab's secrets backend answers for: the user who indexes.
CONNECTION = "search_default"


class LabConnection(RequestsHttpConnection):
    """A connection that trusts the authority that the lab names for search."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "ca_certs": load_lab().options["search"]["ca"]})


def search_hook(connection: str = CONNECTION) -> OpenSearchHook:
    """Hook of the lab's server; its `client` is for what no operator does: aliases, bulk."""
    return OpenSearchHook(open_search_conn_id=connection, log_query=False, open_search_conn_class=LabConnection)


class _Trusting:
    """An operator of the provider with that hook."""

    opensearch_conn_id: str

    @cached_property
    def hook(self) -> OpenSearchHook:
        return search_hook(self.opensearch_conn_id)


class CreateIndex(_Trusting, OpenSearchCreateIndexOperator):
    """Make an index: `index_name`, `index_body`."""

    def __init__(self, *, opensearch_conn_id: str = CONNECTION, **arguments: Any) -> None:
        super().__init__(opensearch_conn_id=opensearch_conn_id, **arguments)


class AddDocument(_Trusting, OpenSearchAddDocumentOperator):
    """Write a document: `index_name`, `document`, `doc_id`."""

    def __init__(self, *, opensearch_conn_id: str = CONNECTION, **arguments: Any) -> None:
        super().__init__(opensearch_conn_id=opensearch_conn_id, **arguments)


class Query(_Trusting, OpenSearchQueryOperator):
    """Search: `index_name`, `query`; the answer is what the task returns."""

    def __init__(self, *, opensearch_conn_id: str = CONNECTION, **arguments: Any) -> None:
        super().__init__(opensearch_conn_id=opensearch_conn_id, **arguments)
