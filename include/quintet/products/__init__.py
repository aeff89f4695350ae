"""Data products: tables that a domain promises to others, each with a contract, an owner, service levels and checks."""

from quintet.products.model import Product, read_product, read_products

__all__ = ["Product", "read_product", "read_products"]
