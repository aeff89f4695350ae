"""Names that the SQL of a job may ask for as `{{ name }}`: doors, addresses and users of this lab, never a secret.

Passwords are not among them: Flink's processes have them in files of their own (role `flink`), so that no statement,
log, plan or page can show one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from quintet.errors import SettingsError
from quintet.flink.errors import JobDefinitionError
from quintet.settings import Lab
from quintet.streams.clients import servers

__all__ = ["lab_values", "render"]

_PLACE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_REST = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def lab_values(lab: Lab, slug: str, name: str) -> dict[str, str]:
    """Values by name for one job. Raises SettingsError when the lab has no profile `streaming`."""
    postgres = lab.endpoint("postgres")
    jdbc = f"jdbc:postgresql://{postgres.host}:{postgres.port}"
    try:
        client = lab.options["kafka"]
        entry = {"security_protocol": client["security_protocol"], "mechanism": client["mechanism"]}
    except KeyError as error:
        raise SettingsError(
            f"the file {lab.file} says not how programs enter Kafka ({error} is missing)", remedy="Run: make install"
        ) from error
    return {
        "kafka.servers": servers(lab),
        "kafka.security_protocol": str(entry["security_protocol"]),
        "kafka.mechanism": str(entry["mechanism"]),
        "registry.url": f"{lab.endpoint('registry').url}/apis/ccompat/v7",
        # The user is in the address: the connector wants a password beside a user of its own.
        "postgres.lake": f"{jdbc}/lake?user=lake",
        "postgres.shop": f"{jdbc}/shop?user=shop",
        "lake.catalog": f"{jdbc}/lake",
        "lake.user": "lake",
        "lake.warehouse": f"file://{lab.path('lake')}/iceberg",
        "lake.root": f"file://{lab.path('lake')}",
        "job.group": f"{slug}-{name.replace('_', '-')}",
        "job.name": f"{slug}/{name}",
    }


def render(template: str, values: Mapping[str, str], *, where: str) -> str:
    """Put the values in. Raises JobDefinitionError for a name that there is not; `where` names the text."""

    def value(place: re.Match[str]) -> str:
        try:
            return values[place[1]].replace("'", "''")
        except KeyError:
            raise JobDefinitionError(
                f"{where} asks for '{place[1]}', which no lab has", remedy=f"Known names: {', '.join(sorted(values))}"
            ) from None

    filled = _PLACE.sub(value, template)
    left = _REST.search(filled)
    if left:
        raise JobDefinitionError(f"{where}: {left[0]} is no name", remedy="Write {{ name }}; nothing else is evaluated")
    return filled
