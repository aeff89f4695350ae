"""Verbs about data products: list, show, check, new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from quintet.cli.output import AsJson, print_json, print_table, say
from quintet.errors import GateError, InputError
from quintet.products import Product, read_products

__all__ = ["register"]

#: The clone that the command runs from.
ROOT = Path(__file__).parents[3]

Name = Annotated[str, typer.Argument(help="Name of the product.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    product = typer.Typer(help="Tables that a domain promises to others.", no_args_is_help=True)
    product.command("list")(list_products)
    product.command("show")(show_product)
    product.command("check")(check_products)
    product.command("new")(new_product)
    app.add_typer(product, name="product")


def list_products(as_json: AsJson = False) -> None:
    """List the data products by domain."""
    rows = [product.as_json() for product in read_products(ROOT / "contracts")]
    if as_json:
        print_json(rows)
    else:
        shown = ("product", "domain", "owner", "table", "version", "age_hours", "purpose")
        print_table(shown, ([row[column] for column in shown] for row in rows))


def show_product(name: Name, as_json: AsJson = False) -> None:
    """Show one product: columns, quality, access, service levels."""
    found = _product(name)
    if as_json:
        print_json({**found.as_json(), "promises": [vars(promise) for promise in found.contract.promises]})
        return
    print_table(("", ""), ((key, ", ".join(v) if isinstance(v, list) else v) for key, v in found.as_json().items()))
    columns = ((p.name, p.type, p.classification, p.description) for p in found.contract.promises)
    print_table(("column", "type", "pii", "description"), columns)


def check_products(as_json: AsJson = False) -> None:
    """Compare every product's contract with the catalogue, the dbt models and their tests."""
    from quintet.products.checks import breaches

    found = {product: breaches(product, ROOT) for product in read_products(ROOT / "contracts")}
    if as_json:
        print_json([{"product": product.name, "breaches": broken} for product, broken in found.items()])
    else:
        for product, broken in found.items():
            say(f"{product.name}: {'; '.join(broken) or 'kept'}")
    owners = sorted({product.contract.owner for product, broken in found.items() if broken})
    if owners:
        broken = [product.name for product, listed in found.items() if listed]
        raise GateError(
            f"the contracts of {', '.join(broken)} are broken",
            remedy=f"{', '.join(owners)} takes the change back, or agrees on a new version with its readers",
        )


def new_product(
    name: Name,
    domain: Annotated[str, typer.Option(help="Domain that answers for it.")],
    origin: Annotated[str, typer.Option("--from", help="Mart that it is made from.")],
    project: Annotated[str, typer.Option(help="Project whose gold it is part of.")] = "lakehouse",
    as_json: AsJson = False,
) -> None:
    """Start a product: contract, dbt model, twin file, unit test and its line in the catalogue."""
    from quintet.products.template import start

    made = [str(path.relative_to(ROOT)) for path in start(ROOT, name, domain=domain, origin=origin, project=project)]
    if as_json:
        print_json({"written": made})
        return
    for path in made:
        say(f"wrote {path}")
    say("Next: change the model, then: quintet product check; quintet docs; make check; make deploy")


def _product(name: str) -> Product:
    known = {product.name: product for product in read_products(ROOT / "contracts")}
    if name not in known:
        raise InputError(f"there is no product '{name}'", remedy=f"Known products: {', '.join(known)}")
    return known[name]
