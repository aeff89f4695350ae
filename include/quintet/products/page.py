"""The page about data products, rendered from their contracts."""

from __future__ import annotations

from pathlib import Path

from quintet.products.model import Product, Rule, read_products

__all__ = ["product_page"]

INTRODUCTION = """\
# Data products

Generated from `contracts/products` by `quintet docs`. What a product is, how it is checked and how one is started:
[lineage.md](lineage.md#data-products).
"""


def product_page(contracts: Path) -> str:
    """Markdown of the page: the products by domain, then what each promises."""
    products = read_products(contracts)
    lines = [INTRODUCTION, "| domain | product | table | owner | version | at most old |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {product.contract.domain} | [{product.name}](#{product.name}) | `{product.table}` "
        f"| {product.contract.owner} | {product.contract.version} | {product.age_hours:g} h |"
        for product in products
    ]
    return "\n".join([*lines, "", *(_product(product) for product in products)])


def _product(product: Product) -> str:
    contract = product.contract
    access = "; ".join(f"{access.role} may {access.access}" for access in product.access)
    lines = [
        f"## {product.name}\n",
        f"{contract.purpose}. Domain {contract.domain}, owner {contract.owner}, {contract.status}; questions to "
        f"{product.support}. Access: {access}.\n",
        "| column | type | personal data | description |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{promise.name}`{' (key)' if promise.is_key else ''} | {promise.type} | {promise.classification} "
        f"| {promise.description} |"
        for promise in contract.promises
    ]
    lines += ["", "Quality, held by dbt's tests:\n"]
    lines += [f"- `{rule.test}`{_on(rule)}: {rule.description}" for rule in product.rules]
    return "\n".join([*lines, ""])


def _on(rule: Rule) -> str:
    return f" on `{rule.column}`" if rule.column else ""
