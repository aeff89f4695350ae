"""Search of the shop's products: index behind an alias, live stock, service, operators' page.

| module | what |
|---|---|
| definition | mappings and analysers of the indices |
| documents, building | documents of a catalogue; a new index beside the old one, then the alias is moved |
| nodes | client of OpenSearch: several nodes, one that fails is passed over |
| asked, asking, reading | parameters of a search, the question to OpenSearch, the answer of it |
| finding | one search: as typed, then corrected, then tolerant |
| memory, figures | what Redis keeps of users, trends, searches and minutes |
| stock, feed | records of Kafka into index and Redis |
| indexing | the index of the lab, for the DAG and the command |
| server, pages, limits | the service over HTTP |
| relevance | nDCG@10 over a judgement list |
| command | `python -m quintet.ecommerce.search` |
"""
