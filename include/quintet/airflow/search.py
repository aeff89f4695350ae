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
from airflow.sdk import BaseOperator
from opensearchpy import ConnectionError as OpenSearchConnectionError
from opensearchpy import RequestsHttpConnection

from quintet.errors import LabError, ServiceDownError
from quintet.settings import load_lab

__all__ = ["AddDocument", "CheckAlias", "CheckCluster", "CreateIndex", "LabConnection", "Query", "search_hook"]

#: Connection that the lab's secrets backend answers for: the user who indexes.
CONNECTION = "search_default"


class LabConnection(RequestsHttpConnection):
    """A connection that trusts the authority that the lab names for search."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "ca_certs": load_lab().options["search"]["ca"]})
        # Else a REQUESTS_CA_BUNDLE or a proxy of the machine would come before what is given here.
        self.session.trust_env = False


def search_hook(connection: str = CONNECTION) -> OpenSearchHook:
    """Hook of the lab's server; its `client` is for what no operator does: aliases, bulk."""
    return OpenSearchHook(open_search_conn_id=connection, log_query=False, open_search_conn_class=LabConnection)


class CheckCluster(BaseOperator):
    """The cluster answers and has lost no shard; its status. What fails may be over soon, and is tried again."""

    def execute(self, context: Any) -> str:
        """Ask as the user who indexes. Raises ServiceDownError."""
        try:
            status = str(search_hook().client.cluster.health()["status"])
        except OpenSearchConnectionError as error:
            raise ServiceDownError(
                f"the search cluster does not answer: {error.error}", remedy="Read: quintet doctor, quintet logs search"
            ) from error
        if status == "red":
            raise ServiceDownError("the search cluster has lost shards", remedy="Read: quintet logs search")
        return status


class CheckAlias(BaseOperator):
    """An alias leads to the index that was built, and through it as many documents are found as were written."""

    template_fields = ("index", "documents")

    def __init__(self, *, alias: str, index: str, documents: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.alias, self.index, self.documents = alias, index, documents

    def execute(self, context: Any) -> int:
        """Ask as the user who indexes; the number of documents. Raises LabError."""
        client = search_hook().client
        # By the pattern of its indices: an alias that is not there names all indices, which nobody may look at.
        found = client.indices.get_alias(index=f"{self.alias}-*")
        behind = [name for name, entry in found.items() if self.alias in entry["aliases"]]
        count = int(client.count(index=self.alias)["count"]) if behind else 0
        if behind != [self.index] or count != int(self.documents):
            raise LabError(
                f"{self.alias} leads to {behind} with {count} documents, not to {self.index} with {self.documents}",
                remedy="Another build was beside this one: run the DAG again",
            )
        return count


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
