"""Search of the catalogue: by name, column, owner, description and class of personal data."""

from __future__ import annotations

import pytest

from quintet.catalogue.model import Column, Pii
from quintet.catalogue.search import Entry, search

EMAIL = Column("email", "string", "Address for letters", Pii.DIRECT)
AMOUNT = Column("amount", "long", "Pence")
ENTRIES = (
    Entry("delta.silver_x.customers", "table", "silver", "sales-team", "People who buy", Pii.DIRECT, (EMAIL,)),
    Entry("iceberg.gold_x.revenue", "table", "gold", "sales-team", "Money a day", Pii.NONE, (AMOUNT,)),
    Entry("kafka.x.customers.changes", "topic", "topic", "shop", "Changes", Pii.DIRECT, (EMAIL, AMOUNT)),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("customers", ["delta.silver_x.customers", "kafka.x.customers.changes"]),
        ("EMAIL", ["delta.silver_x.customers", "kafka.x.customers.changes"]),
        ("owner:shop", ["kafka.x.customers.changes"]),
        ("pii:direct layer:silver", ["delta.silver_x.customers"]),
        ("pii:none", ["iceberg.gold_x.revenue"]),
        ("money", ["iceberg.gold_x.revenue"]),
        ("letters", ["delta.silver_x.customers", "kafka.x.customers.changes"]),
        ("column:amount", ["iceberg.gold_x.revenue", "kafka.x.customers.changes"]),
        ("customers money", []),
        ("", []),
    ],
)
def test_every_word_has_to_be_found_in_one_entry(text: str, names: list[str]) -> None:
    assert sorted(found.entry.name for found in search(text, among=ENTRIES)) == names


def test_a_name_counts_more_than_a_description() -> None:
    named = Entry("a.b.revenue", "table", "gold", "o", "Nothing", Pii.NONE, ())
    told = Entry("a.b.other", "table", "gold", "o", "The revenue", Pii.NONE, ())
    assert [found.entry.name for found in search("revenue", among=[told, named])] == ["a.b.revenue", "a.b.other"]


def test_the_columns_that_were_found_are_named() -> None:
    found = {answer.entry.name: answer.columns for answer in search("pii:direct", among=ENTRIES)}
    assert found == {"delta.silver_x.customers": ("email",), "kafka.x.customers.changes": ("email",)}


def test_the_catalogue_of_the_platform_is_searched() -> None:
    found = {answer.entry.name for answer in search("email")}
    assert {
        "delta.silver_lakehouse.customers",
        "kafka.lakehouse.customers.changes",
        "postgres.public.customers",
    } <= found
