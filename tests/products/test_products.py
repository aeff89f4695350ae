"""Data products: the contracts of this clone are kept, broken ones are refused, and a new one passes as it is made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from paths import ROOT
from quintet.catalogue.gold import read_mart
from quintet.errors import InputError
from quintet.products import Product, read_product, read_products
from quintet.products.checks import breaches
from quintet.products.template import start

PRODUCTS = read_products(ROOT / "contracts")
MARTS = Path("dbt") / "models" / "marts" / "lakehouse"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The parts of the clone that a product touches."""
    for name in ("dbt/models", "contracts", "include/quintet/catalogue"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def changed(clone: Path, name: str, old: str, new: str) -> Product:
    """Product with a part of its contract replaced."""
    file = clone / "contracts" / "products" / f"{name}.odcs.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return read_product(file)


def test_three_domains_have_products() -> None:
    assert len({product.contract.domain for product in PRODUCTS}) >= 3


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_a_product_keeps_its_contract(product: Product) -> None:
    assert breaches(product, ROOT) == []


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_a_product_says_who_owns_it_how_old_it_may_be_and_who_may_read_it(product: Product) -> None:
    assert product.contract.owner
    assert product.support
    assert 0 < product.age_hours <= 48
    assert {access.access for access in product.access} == {"read"}
    assert {rule.test for rule in product.rules} >= {"not_null"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("physicalType: decimal(20,4)", "physicalType: double", "revenue_gbp is promised as double none"),
        ("name: pieces", "name: weight", "weight is promised and iceberg.gold_lakehouse.revenue_daily has no such"),
        ("username: retail-data", "username: sales", "its owner is sales"),
        ("revenue_daily\n    physicalType", "nothing\n    physicalType", "is not in the catalogue"),
        ("implementation: row_invariant", "implementation: row_count", "its rule row_count is no test"),
        ("implementation: unique", "implementation: accepted_values", "accepted_values on trade_date is no test"),
        ("        primaryKey: true\n", "", "its key is nothing"),
    ],
)
def test_a_contract_that_says_otherwise_is_broken(clone: Path, old: str, new: str, told: str) -> None:
    assert any(told in breach for breach in breaches(changed(clone, "daily_sales", old, new), clone))


def test_a_mart_that_changes_below_its_contract_is_told(clone: Path) -> None:
    twin = clone / MARTS / "product_abc.yml"
    twin.write_text(twin.read_text(encoding="utf-8").replace("data_type: double", "data_type: real", 1), "utf-8")
    product = read_product(clone / "contracts" / "products" / "product_classes.odcs.yaml")
    assert breaches(product, clone) == ["share_before is promised as double none and is real none"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("slaProperties:", "levels:", "slaProperties"),
        ("roles:", "people:", "roles"),
        ("unit: h", "unit: d", "hours"),
        ("engine: dbt", "engine: other", "engine dbt"),
        ("dataProduct: daily_sales", "dataProduct: sales", "is not 'daily_sales'"),
    ],
)
def test_a_contract_without_what_makes_a_product_is_refused(clone: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        changed(clone, "daily_sales", old, new)


def test_a_new_product_passes_every_check_as_it_is_made(clone: Path) -> None:
    made = start(clone, "sales_by_week", domain="sales", origin="revenue_weekly")
    assert [str(path.relative_to(clone)) for path in made] == [
        "contracts/products/sales_by_week.odcs.yaml",
        "dbt/models/marts/lakehouse/sales_by_week.sql",
        "dbt/models/marts/lakehouse/sales_by_week.yml",
        "dbt/models/marts/lakehouse/unit_tests/sales_by_week.yml",
        "include/quintet/catalogue/lakehouse.py",
    ]
    product = read_product(made[0])
    mart, origin = read_mart(made[2]), read_mart(clone / MARTS / "revenue_weekly.yml")
    assert mart.is_enforced
    assert (mart.columns, mart.key, mart.owner, mart.pii) == (origin.columns, origin.key, origin.owner, origin.pii)
    # The catalogue of this process is that of the clone's release; its new line is read from the file.
    assert '        _gold("sales_by_week", "' in made[4].read_text(encoding="utf-8")
    assert breaches(product, clone) == ["its table iceberg.gold_lakehouse.sales_by_week is not in the catalogue"]
    (test,) = yaml.safe_load(made[3].read_text(encoding="utf-8"))["unit_tests"]
    assert set(test["given"][0]["rows"][0]) == {column.name for column in origin.columns}


def test_nothing_is_overwritten_and_nothing_is_half_made(clone: Path) -> None:
    before = (clone / "include/quintet/catalogue/lakehouse.py").read_text(encoding="utf-8")
    for name, origin, told in (
        ("revenue_daily", "revenue_weekly", "is there already"),
        ("Sales", "revenue_weekly", "no name"),
        ("sales_by_week", "nothing", "there is no mart"),
    ):
        with pytest.raises(InputError, match=told):
            start(clone, name, domain="sales", origin=origin)
    assert (clone / "include/quintet/catalogue/lakehouse.py").read_text(encoding="utf-8") == before
    assert not (clone / MARTS / "sales_by_week.sql").exists()
