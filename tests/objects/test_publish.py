"""Publications on a real object store: layout, nothing twice, nothing half, two at a time, what is kept."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow.dataset as ds
import pytest
from publications import DAYS, KEEPING, by_month, contract, days, keys_of, manifest, publish, seen
from stores import Store

from paths import ROOT
from quintet.catalogue.published import PUBLISHED, Publication
from quintet.catalogue.published import publication as published_table
from quintet.contracts import Promise, read_contracts
from quintet.errors import GateError, InputError, LabError
from quintet.lakehouse.publish import Keeping, product_of, publish_rows, statement
from quintet.lakehouse.publishmanifest import MANIFEST
from quintet.lakehouse.publishparts import files
from quintet.objects import Bucket, ObjectChangedError
from quintet.products import read_products

PRODUCTS = read_products(ROOT / "contracts")
#: 20 days of November, 20 of December.
ROWS = days("2010-11-11", 40)


def as_rows(rows: list[list[Any]]) -> list[dict[str, Any]]:
    """What a reader sees of rows by months."""
    return [
        {"trade_date": day, "net_gbp": net, "orders": orders, "trade_month": f"{day:%Y-%m}"}
        for day, net, orders in rows
    ]


class Killed(BaseException):
    """The process has gone."""


class Dying(Bucket):
    """A bucket whose user is killed before one of the requests that change something."""

    left = 0

    @staticmethod
    def of_store(store: Store, *, left: int) -> Dying:
        user = "lake_writer"
        found = Dying("lake", endpoint=store.server.endpoint, user=user, secret=store.secret(user))
        found.left = left
        return found

    def _live(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def put(self, key: str, data: bytes) -> str:
        self._live()
        return super().put(key, data)

    def swap(self, key: str, data: bytes, known: str | None) -> None:
        self._live()
        super().swap(key, data, known)

    def remove(self, version: Any) -> None:
        self._live()
        super().remove(version)


# layout


def test_a_table_is_files_by_month_that_readers_of_hive_folders_understand(store: Store, writer: Bucket) -> None:
    entry = by_month()
    told = publish(writer, entry, ROWS)
    assert sorted(re.sub("[0-9a-f]{32}", "…", key) for key in keys_of(store, entry)) == [
        "trade_month=2010-11/part-….parquet",
        "trade_month=2010-12/part-….parquet",
    ]
    assert seen(store, entry) == as_rows(ROWS)
    # Also who takes the folder: in it are the files of the first publication, and the manifest is passed over.
    reader = store.server.files("lake_reader", store.secret("lake_reader"))
    folder = ds.dataset(f"lake/{entry.prefix}".rstrip("/"), filesystem=reader, format="parquet", partitioning="hive")
    assert folder.to_table(filter=ds.field("trade_month") == "2010-12").num_rows == 20
    assert {field.name: str(field.type) for field in folder.schema} == {
        "trade_date": "date32[day]",
        "net_gbp": "decimal128(20, 4)",
        "orders": "int64",
        "trade_month": "string",
    }
    assert told["location"] == f"s3://lake/gold_lakehouse/{entry.table}/"
    assert (told["row_count"], told["object_count"], told["written"], told["changed"]) == (40, 2, 2, True)
    assert manifest(store, entry)["row_count"] == 40


def test_a_column_that_is_the_partition_is_in_the_path_alone(store: Store, writer: Bucket) -> None:
    entry = replace(by_month(), column="segment", split=Publication("x", "y").split)
    promises = (Promise("customer_id", "long", "", is_required=True, is_key=True), Promise("segment", "string", ""))
    rows: list[list[Any]] = [[1, "A/B=ü %"], [2, "loyal"], [3, None]]
    publish(writer, entry, rows, contract=contract(promises))
    assert seen(store, entry) == [{"customer_id": number, "segment": segment} for number, segment in rows]
    assert {key.partition("/")[0] for key in keys_of(store, entry)} == {
        "segment=A%2FB%3D%C3%BC%20%25",
        "segment=loyal",
        "segment=__HIVE_DEFAULT_PARTITION__",
    }


def test_every_type_of_the_catalogue_is_published(store: Store, writer: Bucket) -> None:
    kinds = ["string", "long", "integer", "date", "timestamp", "boolean", "double", "decimal(18,4)"]
    promises = [Promise(f"c{place}", kind, "") for place, kind in enumerate(kinds)]
    entry = replace(by_month(), column="c3")
    at = datetime(2011, 5, 6, 7, 8, 9, 123456)
    row = ["ä", 2**40, 7, date(2011, 5, 6), at, True, 0.1, Decimal("3.0001")]
    publish(writer, entry, [row, [None] * 8], contract=contract(promises))
    whole, empty = seen(store, entry)
    assert list(whole.values())[:8] == [*row[:4], at.replace(tzinfo=UTC), *row[5:]]
    assert set(empty.values()) == {None}


def test_a_large_partition_is_several_files() -> None:
    entry = by_month()
    found = list(files(ROWS, entry, DAYS, limit=7))
    assert [(file.value, file.rows) for file in found] == [
        *[("2010-11", 7), ("2010-11", 7), ("2010-11", 6)],
        *[("2010-12", 7), ("2010-12", 7), ("2010-12", 6)],
    ]
    assert len({file.key for file in found}) == 6


def test_a_table_without_rows_is_published(store: Store, writer: Bucket) -> None:
    entry = by_month()
    publish(writer, entry, ROWS)
    assert publish(writer, entry, [])["row_count"] == 0
    assert seen(store, entry) == []


# nothing twice


def test_the_same_rows_again_change_nothing(store: Store, writer: Bucket) -> None:
    entry = by_month()
    first = publish(writer, entry, ROWS)
    before = writer.versions(entry.prefix)
    again = publish(writer, entry, ROWS)
    assert writer.versions(entry.prefix) == before
    assert (again["changed"], again["written"], again["removed"]) == (False, 0, 0)
    assert again["publication_id"] == first["publication_id"]


def test_only_what_changed_is_written_and_the_former_files_stay_for_one_generation(
    store: Store, writer: Bucket
) -> None:
    entry = by_month()
    first = publish(writer, entry, ROWS)
    held = manifest(store, entry)
    former = keys_of(store, entry)
    longer = [*ROWS, *days("2010-12-21", 3)]
    second = publish(writer, entry, longer)
    assert (second["changed"], second["written"], second["removed"]) == (True, 1, 0)
    assert second["publication_id"] != first["publication_id"]
    assert seen(store, entry) == as_rows(longer)
    assert seen(store, entry, held) == as_rows(ROWS), "who has read the former manifest keeps its files"
    assert len(keys_of(store, entry)) == 3
    publish(writer, entry, longer)
    assert len(keys_of(store, entry)) == 3, "a run without a change is no generation"
    third = publish(writer, entry, [*longer, *days("2010-12-24", 1)])
    assert third["removed"] == 1
    assert len(keys_of(store, entry) & former) == 1
    assert len(keys_of(store, entry)) == 3


def test_rows_that_come_back_are_published_again(store: Store, writer: Bucket) -> None:
    entry = by_month()
    identities = set()
    for rows in (ROWS, ROWS[:30], ROWS, ROWS[:30]):
        identities.add(publish(writer, entry, rows)["publication_id"])
        assert seen(store, entry) == as_rows(rows)
    assert len(identities) == 4, "each is told"


def test_another_version_of_the_contract_is_another_publication_of_the_same_files(store: Store, writer: Bucket) -> None:
    entry = by_month()
    publish(writer, entry, ROWS)
    told = publish(writer, entry, ROWS, contract=contract(version="1.1.0"))
    assert (told["changed"], told["written"], told["contract_version"]) == (True, 0, "1.1.0")


# nothing half


def test_whoever_is_killed_leaves_the_former_state_or_the_new_one_and_the_next_run_ends_it(store: Store) -> None:
    entry = by_month()
    old, new = ROWS, [*days("2010-10-30", 12), *days("2010-11-11", 40, orders=2)]
    publish(store.bucket("lake_writer"), entry, days("2010-11-11", 35))
    publish(store.bucket("lake_writer"), entry, old)
    states: list[str] = []
    for left in range(20):
        try:
            publish(Dying.of_store(store, left=left), entry, new)
        except Killed:
            rows = seen(store, entry)
            assert rows in (as_rows(old), as_rows(new)), f"killed after {left} requests"
            states.append("old" if rows == as_rows(old) else "new")
            continue
        break
    # The first lives die at each request before the exchange; then it is done, and removing is what is left.
    assert states[:4] == ["old"] * 4, "three files are written, then the manifest is exchanged"
    assert "new" in states
    assert seen(store, entry) == as_rows(new)
    named = {part["key"].removeprefix(entry.prefix) for part in manifest(store, entry)["parts"]}
    kept = {key.removeprefix(entry.prefix) for key in manifest(store, entry)["former"]}
    assert keys_of(store, entry) == named | kept
    before = store.bucket("lake_writer").versions(entry.prefix)
    assert publish(store.bucket("lake_writer"), entry, new)["removed"] == 0
    assert store.bucket("lake_writer").versions(entry.prefix) == before


def test_what_a_killed_run_wrote_goes_when_the_rows_are_others_by_then(store: Store, writer: Bucket) -> None:
    entry = by_month()
    first = publish(writer, entry, ROWS)
    before = keys_of(store, entry)
    with pytest.raises(Killed):
        publish(Dying.of_store(store, left=1), entry, days("2011-01-01", 60))
    assert len(keys_of(store, entry) - before) == 1
    told = publish(writer, entry, ROWS)
    assert (told["changed"], told["removed"], told["publication_id"]) == (False, 1, first["publication_id"])
    assert keys_of(store, entry) == before
    assert manifest(store, entry)["revision"] == 2, "a publisher that had written the same file begins again"


@pytest.mark.parametrize("damage", ["removed", "overwritten"])
def test_a_file_that_somebody_spoiled_is_written_again(store: Store, writer: Bucket, damage: str) -> None:
    entry = by_month()
    publish(writer, entry, ROWS)
    key = manifest(store, entry)["parts"][0]["key"]
    if damage == "removed":
        store.server.files().delete_file(f"lake/{key}")
    else:
        writer.put(key, b"no Parquet")
    told = publish(writer, entry, ROWS)
    assert (told["changed"], told["written"]) == (False, 1)
    assert seen(store, entry) == as_rows(ROWS)


def test_a_damaged_manifest_is_told_and_a_removed_one_is_written_anew(store: Store, writer: Bucket) -> None:
    entry = by_month()
    publish(writer, entry, ROWS)
    writer.put(entry.prefix + MANIFEST, b'{"format": 2}')
    with pytest.raises(LabError, match=r"_current.json is damaged near form 2.*Take a former version"):
        publish(writer, entry, ROWS)
    store.server.files().delete_file(f"lake/{entry.prefix}{MANIFEST}")
    assert publish(writer, entry, ROWS)["changed"]
    assert seen(store, entry) == as_rows(ROWS)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ([date(2011, 1, 1), "much", 1], r"net_gbp is not decimal\(20,4\) as promised"),
        ([date(2011, 1, 1), Decimal("0.00001"), 1], r"net_gbp is not decimal\(20,4\) as promised"),
        ([None, Decimal(1), 1], "trade_date is promised and holds null"),
    ],
)
def test_rows_that_are_not_as_promised_change_nothing_for_readers(
    store: Store, writer: Bucket, row: list[Any], told: str
) -> None:
    entry = by_month()
    publish(writer, entry, ROWS)
    with pytest.raises(InputError, match=told):
        publish(writer, entry, [*days("2010-12-01", 3), row])
    assert seen(store, entry) == as_rows(ROWS)


def test_a_value_that_makes_no_folder_is_refused() -> None:
    entry = Publication("made", "segment")
    promises = (Promise("segment", "string", ""),)
    for value in ("", "__HIVE_DEFAULT_PARTITION__"):
        with pytest.raises(InputError, match="of which Hive makes no partition"):
            list(files([[value]], entry, promises))


# two at a time


class Meeting(Bucket):
    """A bucket whose user does something before the first exchange."""

    before: Callable[[], object] | None = None

    @staticmethod
    def of_store(store: Store, before: Callable[[], object]) -> Meeting:
        user = "lake_writer"
        found = Meeting("lake", endpoint=store.server.endpoint, user=user, secret=store.secret(user))
        found.before = before
        return found

    def swap(self, key: str, data: bytes, known: str | None) -> None:
        meet, self.before = self.before, None
        if meet:
            meet()
        super().swap(key, data, known)


def test_of_two_at_once_one_wins_and_the_other_reads_gold_again(store: Store) -> None:
    entry = by_month()
    publish(store.bucket("lake_writer"), entry, ROWS[:5])
    both = threading.Barrier(2)
    gold = {"rows": ROWS[:20]}
    told: list[dict[str, Any]] = []

    def run(rows: list[list[Any]]) -> None:
        first = iter([rows])

        def meet() -> None:
            both.wait()
            gold["rows"] = ROWS  # gold has gone on meanwhile

        bucket = Meeting.of_store(store, meet)
        told.append(publish_rows(bucket, entry, contract(), lambda: next(first, gold["rows"]), keeping=KEEPING))

    threads = [threading.Thread(target=run, args=(rows,)) for rows in (ROWS[:10], ROWS[:15])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 2
    assert seen(store, entry) == as_rows(ROWS), "who comes last has read gold again"
    assert manifest(store, entry)["generation"] == 3


def test_who_is_always_overtaken_says_so_and_leaves_what_the_others_published(store: Store, writer: Bucket) -> None:
    entry = by_month()
    publish(writer, entry, ROWS)
    number = iter(range(100))

    class Overtaken(Bucket):
        def swap(self, key: str, data: bytes, known: str | None) -> None:
            publish(writer, entry, ROWS[: 10 + next(number)])
            super().swap(key, data, known)

    slow = Overtaken("lake", endpoint=store.server.endpoint, user="lake_writer", secret=store.secret("lake_writer"))
    with pytest.raises(ObjectChangedError, match="somebody else has written it meanwhile"):
        publish(slow, entry, days("2012-01-01", 3))
    assert seen(store, entry) == as_rows(ROWS[:13])


def test_a_file_that_one_removes_and_another_needs_at_the_same_time_stays(store: Store, writer: Bucket) -> None:
    entry = by_month()
    needed = days("2011-02-01", 5)
    with pytest.raises(Killed):
        publish(Dying.of_store(store, left=1), entry, needed)  # its file is there, and no manifest names it

    class Slow(Bucket):
        """Between its exchange and its removals another publishes the very file that is to be removed."""

        def remove(self, version: Any) -> None:
            publish(writer, entry, needed)
            super().remove(version)

    slow = Slow("lake", endpoint=store.server.endpoint, user="lake_writer", secret=store.secret("lake_writer"))
    assert publish(slow, entry, ROWS)["removed"] == 1
    assert seen(store, entry) == as_rows(needed)


# what is kept


def test_former_versions_and_unfinished_uploads_go_after_their_time(store: Store, writer: Bucket) -> None:
    entry = by_month()
    for rows in (ROWS[:10], ROWS[:20]):
        publish(writer, entry, rows)
    admin = store.bucket("admin")
    admin._s3.create_multipart_upload(Bucket="lake", Key=entry.prefix + "large")
    admin._s3.delete_object(Bucket="lake", Key=manifest(store, entry)["parts"][0]["key"])
    publish(writer, entry, ROWS[:20])
    # A manifest that was replaced; a file as it was, the mark of its removal, and the file written again.
    old = [version for version in admin.versions(entry.prefix) if not version.is_latest]
    assert len(old) == 3, [(version.key, version.is_marker) for version in old]
    assert publish(writer, entry, ROWS[:20])["removed"] == 0
    assert len(admin.uploads(entry.prefix)) == 1
    soon = Keeping(timedelta(0), timedelta(0))
    assert publish(writer, entry, ROWS[:20], keeping=soon)["removed"] == 3
    assert all(version.is_latest for version in admin.versions(entry.prefix))
    assert admin.uploads(entry.prefix) == []
    assert seen(store, entry) == as_rows(ROWS[:20])


# what may be published


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.table)
def test_what_the_catalogue_publishes_is_a_product_that_lets_its_readers_in(entry: Publication) -> None:
    product = product_of(entry, PRODUCTS, reader="lake_reader")
    promised = {promise.name: promise for promise in product.contract.promises}
    assert promised[entry.column].type == {"month": "date", "value": "string"}[entry.split]
    assert entry.partition == entry.column or entry.partition not in promised


def test_what_no_product_promises_or_allows_is_not_published() -> None:
    entry = published_table("revenue_daily")
    product = product_of(entry, PRODUCTS, reader="lake_reader")
    with pytest.raises(GateError, match=r"no data product promises iceberg.gold_lakehouse.fct_sales"):
        product_of(replace(entry, table="fct_sales"), PRODUCTS, reader="lake_reader")
    with pytest.raises(GateError, match="does not let strangers read"):
        product_of(entry, PRODUCTS, reader="strangers")
    names = replace(product.contract.promises[1], classification="direct")
    personal = replace(product, contract=replace(product.contract, promises=(names,)))
    with pytest.raises(GateError, match="revenue_gbp identifies persons"):
        product_of(entry, [personal], reader="lake_reader")


def test_gold_is_asked_for_by_promised_columns_in_the_order_of_partition_and_key() -> None:
    entry = published_table("customer_rfm")
    asked = statement(entry, product_of(entry, PRODUCTS, reader="lake_reader").contract)
    assert asked.startswith('SELECT "customer_id", "recency_days"')
    assert asked.endswith(' FROM iceberg.gold_lakehouse.customer_rfm ORDER BY "segment", "customer_id"')


# documents


def test_the_example_of_the_documents_reads_a_publication(
    store: Store, writer: Bucket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / "projects" / "lakehouse.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(import json.*?)```", text, re.DOTALL)
    entry = published_table("revenue_daily")
    promised = read_contracts(ROOT / "contracts")[entry.source]
    rows = [[day, net, net, net, net, orders, orders] for day, net, orders in ROWS]
    publish(writer, entry, rows, contract=promised)
    monkeypatch.setenv("LAKE_ENDPOINT", store.server.endpoint)
    monkeypatch.setenv("LAKE_KEY", store.secret("lake_reader"))
    exec(example, {})  # noqa: S102
    assert "2010-12" in capsys.readouterr().out
