"""Set the registry's rule and prove that it can be used, through Confluent's API.

Usage: client.py ready|check <url>
       client.py rule <url> <compatibility>

`rule` sets the compatibility of every subject without a rule of its own; prints `changed` or `same`. `check` registers
a schema, reads it back and tries a change that breaks readers, under a subject of its own.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
import uuid
from typing import Any

#: Seconds for one answer.
ANSWER = 20
#: What the registry answers to a change against the rule.
REFUSED = {409, 422}

FIRST = {"type": "record", "name": "Check", "fields": [{"name": "id", "type": "long"}]}
#: A field more, with a default for what was written before.
SECOND = {**FIRST, "fields": [*FIRST["fields"], {"name": "note", "type": "string", "default": ""}]}
#: A number becomes a text: what was written before can no longer be read.
BREAKING = {**FIRST, "fields": [{"name": "id", "type": "string"}]}

# The lab's own doors are never reached through a proxy.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(ValueError):
    """The registry answered with an error."""

    def __init__(self, method: str, path: str, status: int, said: str) -> None:
        super().__init__(f"{method} {path}: {status} {said}")
        self.status = status


def main(verb: str, url: str, compatibility: str = "") -> int:
    """Do what the verb says; the exit code says whether it is as it should be."""
    try:
        if verb == "ready":
            ask(url, "GET", "/subjects")
        elif verb == "rule":
            sys.stdout.write("changed\n" if rule(url, compatibility) else "same\n")
        else:
            check(url)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    return 0


def ask(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Answer of one question, as JSON. Raises Refused and OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, method=method)  # noqa: S310 - the lab's own door
    request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
    try:
        with opener.open(request, timeout=ANSWER) as reply:
            return json.loads(reply.read() or b"null")
    except urllib.error.HTTPError as error:
        raise Refused(method, path, error.code, error.read().decode(errors="replace")[-500:]) from error


def rule(url: str, compatibility: str) -> bool:
    """Set the rule of every subject where it is another; tells whether it was."""
    if ask(url, "GET", "/config").get("compatibilityLevel") == compatibility:
        return False
    ask(url, "PUT", "/config", {"compatibility": compatibility})
    return True


def check(url: str) -> None:
    """Register, read back, change in a good and in a breaking way. Raises ValueError and OSError."""
    subject = f"/subjects/quintet-check-{uuid.uuid4().hex[:8]}-value"
    number = register(url, subject, FIRST)
    try:
        kept = json.loads(ask(url, "GET", f"/schemas/ids/{number}")["schema"])
        if kept != FIRST:
            raise ValueError(f"the schema that came back is another one: {kept}")
        ask(url, "PUT", f"/config{subject.removeprefix('/subjects')}", {"compatibility": "BACKWARD"})
        register(url, subject, SECOND)
        refuse(url, subject)
    finally:
        ask(url, "DELETE", subject)
        ask(url, "DELETE", f"{subject}?permanent=true")


def register(url: str, subject: str, schema: dict[str, Any]) -> int:
    """Id of a schema that is a version of this subject from now on."""
    return int(ask(url, "POST", f"{subject}/versions", {"schema": json.dumps(schema)})["id"])


def refuse(url: str, subject: str) -> None:
    """Try to register a change that breaks readers. Raises ValueError when it is taken."""
    try:
        register(url, subject, BREAKING)
    except Refused as error:
        if error.status in REFUSED:
            return
        raise
    raise ValueError("a change that breaks readers was taken")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
