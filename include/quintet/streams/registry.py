"""The schema registry, through Confluent's API: register, read back, compatibility rules."""

from __future__ import annotations

import json
import struct
import time
import urllib.error
import urllib.parse
from collections.abc import Mapping
from typing import Any

from quintet.errors import ServiceDownError
from quintet.settings import Lab
from quintet.streams.errors import RegistryError
from quintet.urldoor import ask

__all__ = ["HEAD", "Registry"]

#: What stands before a record in Confluent's form: a zero byte and the id of its schema.
HEAD = struct.Struct(">bI")

#: Seconds for one answer.
ANSWER = 20
#: How often it is asked whose own database does not answer, and the seconds in between.
TRIES, PAUSE = 5, 2.0
_UNKNOWN, _REFUSED, _TROUBLE = 404, (409, 422), 500
_CONTENT = {"Content-Type": "application/vnd.schemaregistry.v1+json"}


class Registry:
    """Client of one registry; schemas by id are kept, for they never change."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._known: dict[int, dict[str, Any] | str] = {}

    @classmethod
    def of(cls, lab: Lab) -> Registry:
        """The lab's registry."""
        return cls(f"{lab.endpoint('registry').url}/apis/ccompat/v7")

    def by_id(self, number: int) -> Any:
        """Avro schema by its id, as a JSON value.

        Raises:
            RegistryError: there is no such schema.
            ServiceDownError: the registry does not answer.

        """
        if number not in self._known:
            self._known[number] = json.loads(self._ask("GET", f"/schemas/ids/{number}")["schema"])
        return self._known[number]

    def subjects(self) -> list[str]:
        """Names of all subjects. Raises as `by_id`."""
        return list(self._ask("GET", "/subjects"))

    def latest(self, subject: str) -> tuple[int, Any] | None:
        """Id and schema of the newest version of a subject; None when it has none. Raises ServiceDownError."""
        try:
            found = self._ask("GET", f"/subjects/{_quoted(subject)}/versions/latest")
        except RegistryError as error:
            if error.status == _UNKNOWN:
                return None
            raise
        return int(found["id"]), json.loads(found["schema"])

    def register(self, subject: str, schema: Mapping[str, Any]) -> int:
        """Id of a schema that is a version of the subject from now on.

        Raises:
            RegistryError: it breaks the subject's compatibility rule; the message names subject and rule.
            ServiceDownError: the registry does not answer.

        """
        try:
            return int(
                self._ask("POST", f"/subjects/{_quoted(subject)}/versions", {"schema": json.dumps(schema)})["id"]
            )
        except RegistryError as error:
            if error.status in _REFUSED:
                raise RegistryError(
                    f"the schema offered for {subject} breaks its rule {self.compatibility(subject)}: {error.message}",
                    status=error.status,
                    remedy="Add fields with a default only, or agree on a new topic with its readers",
                ) from error
            raise

    def compatibility(self, subject: str) -> str:
        """Rule of a subject, its own or the registry's. Raises ServiceDownError."""
        try:
            return str(self._ask("GET", f"/config/{_quoted(subject)}")["compatibilityLevel"])
        except RegistryError as error:
            if error.status != _UNKNOWN:
                raise
            return str(self._ask("GET", "/config")["compatibilityLevel"])

    def require(self, subject: str, rule: str) -> bool:
        """Set the rule of a subject where it is another; tells whether it was. Raises as `by_id`."""
        if self.compatibility(subject) == rule:
            return False
        self._ask("PUT", f"/config/{_quoted(subject)}", {"compatibility": rule})
        return True

    def forget(self, subject: str) -> None:
        """Remove a subject with all its versions; nothing happens when there is none. Raises ServiceDownError."""
        for permanent in ("", "?permanent=true"):
            try:
                self._ask("DELETE", f"/subjects/{_quoted(subject)}{permanent}")
            except RegistryError as error:
                if error.status != _UNKNOWN:
                    raise

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        for _ in range(TRIES - 1):
            try:
                return self._answer(method, path, body)
            except RegistryError as error:
                # After its database was away the registry's first connections are dead ones.
                if error.status < _TROUBLE:
                    raise
            time.sleep(PAUSE)
        return self._answer(method, path, body)

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            _, content = ask(self._url + path, method=method, body=body, headers=_CONTENT, timeout=ANSWER)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[-500:]
            raise RegistryError(
                f"the registry answered {method} {path} with {error.code}: {said}", status=error.code
            ) from error
        except (urllib.error.URLError, OSError) as error:
            raise ServiceDownError(
                f"the schema registry does not answer at {self._url} ({error})", remedy="Run: quintet doctor"
            ) from error
        return json.loads(content or b"null")


def _quoted(subject: str) -> str:
    return urllib.parse.quote(subject, safe="")
