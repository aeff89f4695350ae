"""Exit 0 when the worker of Kafka Connect answers as it should; else say why on stderr.

Usage: client.py ready <url>
       client.py check <url> <version of Debezium>

`ready` asks whether the worker has joined its group. `check` looks for Debezium's connector and has it judge a
configuration that lacks what it needs.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

#: Seconds for one answer.
ANSWER = 30
CONNECTOR = "io.debezium.connector.postgresql.PostgresConnector"

# The lab's own doors are never reached through a proxy.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main(verb: str, url: str, version: str = "") -> int:
    """Ask what the verb says."""
    try:
        health = ask(url, "GET", "/health")
        if health["status"] != "healthy":
            raise ValueError(health["message"])
        if verb == "check":
            check(url, version)
    except (urllib.error.URLError, OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    return 0


def ask(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Answer of one question, as JSON. Raises ValueError with what the server says of an error, and OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, method=method)  # noqa: S310 - the lab's own door
    request.add_header("Content-Type", "application/json")
    try:
        with opener.open(request, timeout=ANSWER) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        raise ValueError(f"{path}: {error.code} {error.read().decode(errors='replace')[-500:]}") from error


def check(url: str, version: str) -> None:
    """Find the connector in its version and use its judgement. Raises ValueError and OSError."""
    plugins = {plugin["class"]: plugin.get("version") for plugin in ask(url, "GET", "/connector-plugins")}
    if plugins.get(CONNECTOR) != version:
        raise ValueError(f"{CONNECTOR} is there as {plugins.get(CONNECTOR)}, not as {version}")
    given = {"connector.class": CONNECTOR, "name": "quintet-check"}
    judged = ask(url, "PUT", f"/connector-plugins/{CONNECTOR}/config/validate", given)
    wrong = {entry["value"]["name"] for entry in judged["configs"] if entry["value"]["errors"]}
    if "topic.prefix" not in wrong:
        raise ValueError(f"a configuration without topic.prefix was found wrong in {sorted(wrong)} only")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
