"""Blocks in S3, against a real server: nothing is lost or changed by moving, and what lies here needs no server."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from batches import ALL, HOUR, QUIET, START, batch, expected, found, regular, stored
from s3_server import BUCKET, S3Server

from quintet.errors import SettingsError
from quintet.timeseries import Batch, Matcher, Options, Store
from quintet.timeseries.blockset import BlockSet
from quintet.timeseries.errors import CorruptionError, StoreClosedError, StoreError, TierError
from quintet.timeseries.manifest import Entry
from quintet.timeseries.ranges import FetchedChunks, spans
from quintet.timeseries.s3settings import S3Settings
from quintet.timeseries.s3tier import S3Tier

NOW = START + 6 * HOUR


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def options(server: S3Server, tmp_path: Path) -> Options:
    """What is older than two hours goes to a prefix of the test's own."""
    settings = server.settings(f"{tmp_path.name}/blocks")
    return replace(QUIET, block_span=HOUR, level_factor=4, levels=3, s3=settings, s3_after=2 * HOUR)


def prefix(options: Options) -> str:
    assert options.s3
    return options.s3.prefix


def blocks(server: S3Server, options: Options) -> set[str]:
    return {name for name in server.names(prefix(options)) if "block" in name}


def hours(store: Store, count: int) -> list[Batch]:
    """A block for each hour."""
    parts = [regular(8, 30, start=START + index * HOUR, step=HOUR // 30, seed=index) for index in range(count)]
    for part in parts:
        store.append(part)
        store.flush()
    return parts


def test_what_moves_to_s3_is_read_from_there_after_a_restart_and_in_a_snapshot(
    server: S3Server, options: Options, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    with Store.open(folder, options) as store:
        parts = hours(store, 6)
        before = store.explain([], *ALL)
        assert store.move_tiers(NOW) == 4
        assert store.move_tiers(NOW) == 0
        assert store.stats().blocks_by_tier == {"s3": 4, "hot": 2}
        assert len(blocks(server, options)) == 4
        assert len(list(folder.glob("blocks/*.block"))) == 2
        assert stored(store) == expected(*parts)
        assert store.explain([], *ALL) == before
    with pytest.raises(StoreError, match=r"lies in the tier 's3'.*Options\(s3=settings\)"):
        Store.open(folder, QUIET)
    with Store.open(folder, options) as store:
        assert stored(store) == expected(*parts)
        one = found(store.scan([Matcher("sensor", "=", "s0003")], *ALL))
        assert one == {key: points for key, points in expected(*parts).items() if ("sensor", "s0003") in key}
        store.snapshot(tmp_path / "snapshot")
    with Store.open(tmp_path / "snapshot", QUIET) as store:
        assert stored(store) == expected(*parts)


def test_retention_removes_the_objects_and_what_is_kept_of_them_here(
    server: S3Server, options: Options, tmp_path: Path
) -> None:
    with Store.open(tmp_path, replace(options, retention=3 * HOUR)) as store:
        parts = hours(store, 6)
        store.move_tiers(NOW)
        assert store.retain(NOW) == 3
        assert stored(store) == expected(*parts[3:])
        assert len(blocks(server, options)) == 1
        assert len(list(tmp_path.glob("remote/*.block"))) == 1


def test_a_late_point_brings_its_block_back_and_the_object_goes(
    server: S3Server, options: Options, tmp_path: Path
) -> None:
    with Store.open(tmp_path, options) as store:
        parts = hours(store, 6)
        store.compact()
        store.move_tiers(NOW)
        moved = blocks(server, options)
        late = batch({parts[0].labels[0]: [(START + 1, -1.0)]})
        store.append(late)
        store.flush()
        store.compact()
        assert stored(store) == expected(*parts, late)
        assert blocks(server, options) < moved
        store.delete([Matcher("sensor", "=", "s0001")], *ALL)
        kept = {key: points for key, points in expected(*parts, late).items() if ("sensor", "s0001") not in key}
        assert stored(store) == kept
        store.compact()
        assert store.move_tiers(NOW) > 0
        assert stored(store) == kept


def test_a_reader_keeps_an_object_until_it_is_through(server: S3Server, options: Options, tmp_path: Path) -> None:
    with Store.open(tmp_path, replace(options, retention=HOUR)) as store:
        parts = hours(store, 3)
        store.move_tiers(NOW)
        reading = store._read([], *ALL)
        assert store.retain(NOW) == 3
        assert stored(store) == {}
        assert found(reading.scan()) == expected(*parts)
        assert len(blocks(server, options)) == 3
        del reading
        store.compact()
        assert not blocks(server, options)


@pytest.mark.timeout(300)
def test_while_a_snapshot_waits_for_s3_the_store_goes_on_and_the_snapshot_is_of_its_beginning(
    server: S3Server, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetches, slow, fetch = threading.Event(), threading.Event(), S3Tier.fetch

    def waiting(self: S3Tier, name: str, target: Path) -> None:
        fetches.set()
        assert slow.wait(120)
        fetch(self, name, target)

    monkeypatch.setattr(S3Tier, "fetch", waiting)
    with Store.open(tmp_path / "store", options) as store:
        parts = hours(store, 6)
        store.move_tiers(NOW)
        before = stored(store)
        in_s3 = blocks(server, options)
        copying = threading.Thread(target=store.snapshot, args=(tmp_path / "snapshot",))
        copying.start()
        try:
            assert fetches.wait(60)
            # All that the maintenance lock guards goes on: a late point brings blocks back from S3, others are moved,
            # deleted, retained.
            late = batch({parts[0].labels[0]: [(START + 1, -1.0), (NOW, 1.0)]})
            store.append(late)
            store.flush()
            store.delete([Matcher("sensor", "=", "s0005")], *ALL)
            store.compact()
            store.move_tiers(NOW + 4 * HOUR)
            changed = stored(store)
            assert changed != before
            assert in_s3 <= blocks(server, options), "what the snapshot waits for is there"
            assert not (tmp_path / "snapshot").exists(), "it appears whole"
        finally:
            slow.set()
            copying.join()
        named = {entry.facts.name for entry in store._blocks.state.entries if entry.tier == "s3"}
        assert blocks(server, options) == named, "what was replaced meanwhile is gone"
        assert stored(store) == changed
    with Store.open(tmp_path / "snapshot", QUIET) as store:
        assert stored(store) == before


def test_closing_a_store_ends_its_snapshot_which_leaves_nothing(
    options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetches, fetch = threading.Event(), S3Tier.fetch
    ended: list[BaseException] = []

    def slow(self: S3Tier, name: str, target: Path) -> None:
        fetches.set()
        fetch(self, name, target)
        while not store._closed:
            time.sleep(0.01)

    def copy() -> None:
        try:
            store.snapshot(tmp_path / "snapshot")
        except StoreError as error:
            ended.append(error)

    monkeypatch.setattr(S3Tier, "fetch", slow)
    with Store.open(tmp_path / "store", options) as store:
        parts = hours(store, 6)
        store.move_tiers(NOW)
        copying = threading.Thread(target=copy)
        copying.start()
        assert fetches.wait(60)
    copying.join()
    assert [type(error) for error in ended] == [StoreClosedError]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
    monkeypatch.setattr(S3Tier, "fetch", fetch)
    with Store.open(tmp_path / "store", options) as store:
        assert stored(store) == expected(*parts)


def test_settings_are_proved_by_an_object_that_comes_and_goes(
    server: S3Server, options: Options, tmp_path: Path
) -> None:
    assert options.s3
    tier = S3Tier("s3", options.s3, tmp_path / "remote")
    tier.prove()
    assert {name for name in server.names(prefix(options)) if name.startswith("prove")} == set()
    wrong = S3Tier("s3", replace(options.s3, secret_key="wrong"), tmp_path / "other")
    with pytest.raises(TierError, match="access is refused"):
        wrong.prove()
    for one in (tier, wrong):
        one.close()


def test_what_a_killed_process_left_in_s3_goes_with_the_next_move(
    server: S3Server, options: Options, tmp_path: Path
) -> None:
    left = ["0000000098.block.tmp", "0000000099.block"]
    with Store.open(tmp_path, options) as store:
        parts = hours(store, 3)
        store.move_tiers(START + 3 * HOUR)
        for name in left:
            with server.files().open_output_stream(f"{BUCKET}/{prefix(options)}/{name}") as file:
                file.write(b"half")
        assert blocks(server, options) > set(left)
        store.move_tiers(NOW)
        assert stored(store) == expected(*parts)
        assert len(blocks(server, options)) == 3
        assert not blocks(server, options) & set(left)


def test_a_prefix_of_another_store_is_refused(options: Options, tmp_path: Path) -> None:
    with Store.open(tmp_path / "first", options) as first, Store.open(tmp_path / "second", options) as second:
        parts = hours(first, 3)
        hours(second, 4)
        first.move_tiers(NOW)
        with pytest.raises(StoreError, match="belongs to another store"):
            second.move_tiers(NOW)
        assert stored(first) == expected(*parts)


@pytest.mark.parametrize("wrong", [{"secret_key": "another-secret"}, {"access_key": "nobody"}])
def test_a_wrong_key_is_refused_with_endpoint_and_block_and_without_the_key(
    server: S3Server, options: Options, tmp_path: Path, wrong: dict[str, str]
) -> None:
    settings = server.settings(prefix(options), **wrong)
    with Store.open(tmp_path, replace(options, s3=settings)) as store:
        parts = hours(store, 3)
        with pytest.raises(TierError, match=r"in S3 at http://127.*access is refused.*Check access key") as raised:
            store.move_tiers(NOW)
        assert stored(store) == expected(*parts)
    for text in (str(raised.value), repr(settings)):
        assert settings.secret_key not in text
        assert settings.access_key not in text
    with Store.open(tmp_path, options) as store:
        store.move_tiers(NOW)
    with (
        Store.open(tmp_path, replace(options, s3=settings)) as store,
        pytest.raises(TierError, match=r"0000000001\.block in S3 at http://127.*access is refused"),
    ):
        stored(store)


def test_an_object_that_is_missing_or_changed_is_told(server: S3Server, options: Options, tmp_path: Path) -> None:
    with Store.open(tmp_path, options) as store:
        hours(store, 3)
        store.move_tiers(NOW)
    names = sorted(blocks(server, options))
    key = f"{BUCKET}/{prefix(options)}/{names[0]}"
    with server.files().open_input_file(key) as file:
        whole = bytearray(file.read())
    whole[20] ^= 1
    with server.files().open_output_stream(key) as file:
        file.write(bytes(whole))
    server.files().delete_file(f"{BUCKET}/{prefix(options)}/{names[1]}")
    with Store.open(tmp_path, options) as store:
        with pytest.raises(CorruptionError, match=r"0000000001\.block in S3.*chunk 0.*is damaged"):
            store.scan([], START, START + HOUR)
        with pytest.raises(CorruptionError, match=r"0000000002\.block in S3.*the object is missing"):
            store.scan([], START + HOUR, START + 2 * HOUR)


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_the_index_kept_here_is_fetched_anew(options: Options, tmp_path: Path, damage: str) -> None:
    with Store.open(tmp_path, options) as store:
        parts = hours(store, 1)
        store.move_tiers(NOW)
    index = tmp_path / "remote" / "0000000001.block"
    whole = index.read_bytes()
    if damage == "missing":
        index.unlink()
    else:
        index.write_bytes(whole[5:] if damage == "cut" else whole[:5] + bytes([whole[5] ^ 1]) + whole[6:])
    with Store.open(tmp_path, options) as store:
        assert stored(store) == expected(*parts)
    assert index.read_bytes() == whole


def test_a_server_killed_within_a_move_leaves_everything_readable(
    tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s3").mkdir()
    server = S3Server(tmp_path / "s3")
    server.start()
    try:
        options = replace(options, s3=server.settings("blocks"))
        copy = BlockSet.copy

        def dying(self: BlockSet, entry: Entry, tier: str) -> None:
            if entry.facts.number == 2:
                server.kill()
            copy(self, entry, tier)

        with Store.open(tmp_path / "store", options) as store:
            parts = hours(store, 4)
            monkeypatch.setattr(BlockSet, "copy", dying)
            with pytest.raises(TierError, match=r"0000000002\.block in S3 at http://127.*it is not reached"):
                store.move_tiers(NOW)
            monkeypatch.setattr(BlockSet, "copy", copy)
            assert store.stats().blocks_by_tier == {"s3": 1, "hot": 3}
        shutil.copytree(tmp_path / "store" / "remote", tmp_path / "kept")
        for kept in (True, False):
            if not kept:
                (tmp_path / "store" / "remote" / "0000000001.block").unlink()
            with Store.open(tmp_path / "store", options) as store:
                assert found(store.scan([], START + HOUR, NOW)) == expected(*parts[1:])
                with pytest.raises(TierError, match=r"0000000001\.block in S3 at http://127.*it is not reached"):
                    stored(store)
                if kept:
                    assert len(store.series([], *ALL)) == 8
                    assert store.label_values("sensor") == [f"s{index:04}" for index in range(8)]
                    parts += [regular(8, 30, start=START + 4 * HOUR, seed=9)]
                    store.append(parts[-1])
                    store.flush()
        late = batch({parts[0].labels[0]: [(START + 1, -1.0), (START + 5 * HOUR, 1.0)]})
        with Store.open(tmp_path / "store", options) as store:
            store.append(late)
            store.flush()
            with pytest.raises(TierError, match="cannot read the block"):
                store.compact()
            assert store.stats().blocks_by_level[1] >= 1, "what lies here is compacted"
        server.start()
        with Store.open(tmp_path / "store", options) as store:
            assert stored(store) == expected(*parts, late)
            store.compact()
            assert store.move_tiers(NOW) > 0
            assert stored(store) == expected(*parts, late)
    finally:
        server.kill()


def test_near_chunks_are_fetched_in_one_request_and_far_ones_apart() -> None:
    starts = np.array([0, 100, 1_000_000, 5_300_000, 20_000_000])
    ends = np.array([100, 300_000, 1_300_000, 5_400_000, 30_000_000])
    assert spans(starts, ends) == [
        (0, 300_000),
        (1_000_000, 1_300_000),
        (5_300_000, 5_400_000),
        (20_000_000, 30_000_000),
    ]
    asked = []

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        return bytes(end - start)

    chunks = FetchedChunks(spans(starts, ends), fetch, None)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        data, base = chunks.around(start)
        assert base <= start
        assert base + len(data) >= end
    assert asked == spans(starts, ends)


def test_settings_are_a_file_of_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "s3.env"
    with pytest.raises(SettingsError, match="No such file"):
        S3Settings.read(file)
    file.write_text("# the store\nS3_ENDPOINT=https://s3.example.org/\nS3_BUCKET=cold\nS3_ACCESS_KEY=a\n")
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        S3Settings.read(file)
    file.chmod(0o600)
    with pytest.raises(SettingsError, match="lack S3_SECRET_KEY"):
        S3Settings.read(file)
    with file.open("a") as more:
        more.write('S3_SECRET_KEY="b=c"\nS3_REGION=eu-1\n')
    monkeypatch.setenv("QUINTET_TIMESERIES_S3", str(file))
    settings = S3Settings.from_environment()
    assert settings == S3Settings(
        endpoint="https://s3.example.org", bucket="cold", access_key="a", secret_key="b=c", region="eu-1"
    )
    with file.open("a") as more:
        more.write("S3_SECRET=d\n")
    with pytest.raises(SettingsError, match="line 7") as raised:
        S3Settings.read(file)
    assert "=d" not in str(raised.value)
    for wrong in ("s3.example.org", "ftp://s3.example.org", "https://user:word@s3.example.org"):
        with pytest.raises(SettingsError, match="S3 endpoint"):
            S3Settings(endpoint=wrong, bucket="b", access_key="a", secret_key="b")
