"""Care over HTTP: retention to the point, tiers, snapshots, deletion, fingerprints; only for the scope admin."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from services import served

from quintet.timeseries import Batch, Options, Store, labels_of
from quintet.timeseries.fingerprint import fingerprint
from quintet.timeseries.model import DAY
from quintet.webservice.tokens import Token, Tokens

NOW = time.time_ns()
ROUTES = (
    "retain",
    "roll_up",
    "tiers",
    "snapshot?name=a",
    "drop_snapshot?name=a",
    "delete?match=up",
    "fingerprint",
    "stats",
)


def token(name: str, *scopes: str) -> Token:
    return Token(name, frozenset(scopes), hashlib.sha256(name.encode()).hexdigest())


TOKENS = Tokens((token("boss", "read", "write", "admin"), token("writer", "read", "write")))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    options = Options(background=False, retention=30 * DAY, warm=tmp_path / "warm", warm_after=7 * DAY)
    with Store.open(tmp_path / "store", options) as opened:
        yield opened


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    with served(store, tokens=TOKENS, token="boss") as found:
        yield found


def write(client: httpx.Client, *lines: str) -> None:
    assert client.post("/write", content="\n".join(lines)).status_code == 204


def ask(client: httpx.Client, route: str, **parameters: str) -> dict[str, object]:
    answer = client.post(f"/admin/{route}", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def days_ago(days: float) -> int:
    return NOW - round(days * DAY)


def count(store: Store) -> int:
    return fingerprint(store).points


@pytest.mark.parametrize("route", ROUTES)
def test_only_the_scope_admin_may_care(route: str, client: httpx.Client) -> None:
    for shown, status in (("Bearer writer", 403), ("Bearer wrong", 401), ("none", 401)):
        answer = client.post(f"/admin/{route}", headers={"Authorization": shown})
        assert answer.status_code == status
    assert client.get(f"/admin/{route}").status_code == 405


def test_retention_removes_exactly_what_is_older(client: httpx.Client, store: Store) -> None:
    write(client, f"a v=1 {days_ago(31)}", f"a v=2 {days_ago(29)}", f"b v=3 {days_ago(400)}", f"a v=4 {NOW}")
    done = ask(client, "retain")
    assert (done["retention_days"], done["series"]) == (30, 2)
    assert count(store) == 2
    client.post("/admin/compact")
    assert store.stats().points_blocks == 2
    assert ask(client, "retain")["series"] == 0, "a second one finds nothing"
    assert ask(client, "retain", days="1")["series"] == 1
    assert count(store) == 1


def test_old_blocks_move_to_the_warm_folder_and_answer_as_before(
    client: httpx.Client, store: Store, tmp_path: Path
) -> None:
    write(client, f"a v=1 {days_ago(20)}")
    store.flush()
    write(client, f"a v=2 {NOW}")
    before = fingerprint(store)
    assert ask(client, "tiers") == {"moved": 1, "blocks_by_tier": {"warm": 1, "hot": 1}}
    assert len(list((tmp_path / "warm").glob("*.block"))) == 1
    assert fingerprint(store) == before


def test_a_snapshot_is_a_store_with_the_same_fingerprint(client: httpx.Client, store: Store, tmp_path: Path) -> None:
    write(client, f"a,b=c v=1.5,w=2i {NOW}", f"a v=NaN {NOW}")
    made = ask(client, "snapshot", name="first")
    assert made["appended_before"] == made["appended"] == 3
    write(client, f"a v=9 {NOW + 1}")
    Store.restore(Path(str(made["path"])), tmp_path / "copy")
    with Store.open(tmp_path / "copy", Options(background=False)) as copy:
        assert (fingerprint(copy).series, fingerprint(copy).points) == (3, 3)
    found = ask(client, "fingerprint")
    assert found == {**vars(fingerprint(store)), "appended": 4}
    assert client.post("/admin/snapshot?name=first").status_code == 500, "the folder is there already"
    assert ask(client, "drop_snapshot", name="first")["removed"] is True
    assert ask(client, "drop_snapshot", name="first")["removed"] is False


def test_a_fingerprint_tells_values_times_and_labels_apart(tmp_path: Path) -> None:
    import numpy as np

    def of(name: str, labels: dict[str, str], time_ns: int, value: float) -> str:
        with Store.open(tmp_path / name, Options(background=False)) as one:
            batch = Batch([labels_of(labels)], np.zeros(1, np.uint32), np.array([time_ns]), np.array([value]))
            one.append(batch)
            return fingerprint(one).sha256

    seen = [
        of("a", {"__name__": "m"}, 1, 0.0),
        of("b", {"__name__": "m"}, 1, -0.0),
        of("c", {"__name__": "m"}, 2, 0.0),
        of("d", {"__name__": "m", "l": "x"}, 1, 0.0),
        of("e", {"l": "x"}, 1, 0.0),
    ]
    assert len(set(seen)) == len(seen)
    assert of("f", {"__name__": "m"}, 1, 0.0) == seen[0]


def test_deletion_takes_the_series_that_match(client: httpx.Client, store: Store) -> None:
    write(client, f"a,site=x v=1 {NOW}", f"a,site=y v=1 {NOW}")
    assert ask(client, "delete", match='{site="x"}') == {"series": 1}
    assert [dict(labels)["site"] for labels in store.series((), 0, NOW + 1)] == ["y"]


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ("snapshot", "snapshot's name"),
        ("snapshot?name=../x", "snapshot's name"),
        ("drop_snapshot?name=.", "snapshot's name"),
        ("delete", "'match' is missing"),
        ("delete?match=sum(a)", "no selector"),
        ("retain?days=-1", "above 0"),
        ("retain?days=many", "above 0"),
    ],
)
def test_a_wrong_parameter_is_named(route: str, told: str, client: httpx.Client) -> None:
    answer = client.post(f"/admin/{route}")
    assert answer.status_code == 400
    assert told in answer.json()["message"]
