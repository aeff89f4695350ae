"""Prove that Prometheus and Alertmanager can be used by whom they know, and by nobody else.

Usage: client.py ready <host>:<port> <secrets file>
       client.py check <Prometheus> <Alertmanager> <monitor> <secrets file>       each as <host>:<port>

`ready` exits 0 when the door answers a user. `check` tries what must be refused, and waits until every target answers.
"""

from __future__ import annotations

import base64
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

#: Seconds for one answer, and until every target has to have answered.
ANSWER, TARGETS = 10, 90
OK, UNAUTHORIZED = 200, 401

# The lab's own doors are never reached through a proxy.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and content of an answer. Raises OSError."""
    try:
        request = urllib.request.Request(url, body, dict(headers or {}))  # noqa: S310  # the caller names the door
        with _opener.open(request, timeout=ANSWER) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def entered(user: str, password: str) -> dict[str, str]:
    """Headers of a user."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def expect(wanted: int, told: tuple[int, bytes], what: str) -> None:
    """Raise ValueError unless the status is the wanted one."""
    if told[0] != wanted:
        raise ValueError(f"{what}: {told[0]} is answered, not {wanted}")


def read(secrets_file: str, name: str) -> str:
    """A secret."""
    lines = Path(secrets_file).read_text(encoding="utf-8").splitlines()
    (value,) = (line.split(": ", 1)[1].strip("'\"") for line in lines if line.startswith(f"{name}: "))
    return value


def ready(door: str, secrets_file: str) -> None:
    """Raise unless the door answers the programs' user."""
    user = entered("quintet", read(secrets_file, "monitoring_quintet"))
    expect(OK, ask(f"http://{door}/-/ready", user), "a user")


def check(prometheus: str, alertmanager: str, monitor: str, secrets_file: str) -> None:
    """Raise unless each door is closed to strangers and open to users, and every target answers."""
    for url in (f"http://{prometheus}/api/v1/rules", f"http://{alertmanager}/api/v2/alerts"):
        expect(UNAUTHORIZED, ask(url), f"{url} without a password")
        expect(UNAUTHORIZED, ask(url, entered("admin", "wrong")), f"{url} with a wrong password")
        expect(OK, ask(url, entered("admin", read(secrets_file, "monitoring_admin"))), f"{url} with the password")
    url, nothing = f"http://{monitor}/alerts", b'{"alerts": []}'
    expect(UNAUTHORIZED, ask(url, {}, nothing), f"{url} without a token")
    expect(UNAUTHORIZED, ask(url, {"Authorization": "Bearer wrong"}, nothing), f"{url} with a wrong token")
    token = {"Authorization": f"Bearer {read(secrets_file, 'monitoring_receiver')}"}
    expect(OK, ask(url, token, nothing), f"{url} with the token")
    user = entered("quintet", read(secrets_file, "monitoring_quintet"))
    end = time.monotonic() + TARGETS
    while silent := down(prometheus, user):
        if time.monotonic() > end:
            raise ValueError(f"not measured within {TARGETS} s: {'; '.join(silent)}")
        time.sleep(2)


def down(prometheus: str, user: Mapping[str, str]) -> list[str]:
    """Targets that have not answered, each with the reason."""
    status, content = ask(f"http://{prometheus}/api/v1/targets?state=active", user)
    expect(OK, (status, content), "the list of targets")
    targets = json.loads(content)["data"]["activeTargets"]
    return [
        f"{one['labels']['service']} on {one['labels']['node']} ({one['lastError'] or 'not asked yet'})"
        for one in targets
        if one["health"] != "up"
    ] or ([] if targets else ["anything"])


def main(verb: str, *arguments: str) -> int:
    """Do what the verb says; the exit code says whether it is as it should be."""
    try:
        {"ready": ready, "check": check}[verb](*arguments)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
