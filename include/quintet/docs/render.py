"""Documents rendered from what they describe: the projects table of the README, and pages of docs/."""

from __future__ import annotations

from pathlib import Path

from quintet.catalogue import PROJECTS, Layer, Table, tables
from quintet.catalogue.gold import described
from quintet.catalogue.metrics import metric_page
from quintet.docs.command import command_page
from quintet.monitoring.page import monitoring_page
from quintet.products.page import product_page

__all__ = ["documents"]

START, END = "<!-- projects:start -->", "<!-- projects:end -->"


def documents(root: Path) -> dict[Path, str]:
    """Return what each generated document must hold."""
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    after = rest.partition(END)[2]
    return {
        readme: f"{before}{START}\n{_projects()}{END}{after}",
        root / "docs" / "tables.md": _tables(root / "dbt" / "models" / "marts"),
        root / "docs" / "metrics.md": metric_page(),
        root / "docs" / "products.md": product_page(root / "contracts"),
        root / "docs" / "cli.md": command_page(),
        root / "docs" / "monitoring.md": monitoring_page(),
    }


def _projects() -> str:
    lines = ["| project | question | profiles | page |", "|---|---|---|---|"]
    lines += [
        f"| {entry.title} | {entry.question} | {', '.join(entry.profiles)} | "
        f"[{entry.slug}](docs/projects/{entry.slug}.md) |"
        for entry in PROJECTS
    ]
    return "\n".join(lines) + "\n"


def _tables(marts: Path) -> str:
    parts = ["# Tables\n", "Generated from the catalogue by `quintet docs`.\n"]
    parts += [_table(described(entry, marts) if entry.layer is Layer.GOLD else entry) for entry in tables()]
    return "\n".join(parts)


def _table(entry: Table) -> str:
    kept = f" Rows are kept for {entry.retention.days} days by `{entry.retention.column}`." if entry.retention else ""
    lines = [
        f"## {entry.full_name}\n",
        f"{entry.description}. Owner {entry.owner}, written by {entry.writer}, personal data: {entry.pii}.{kept}\n",
    ]
    if entry.columns:
        lines += ["| column | type | personal data | description |", "|---|---|---|---|"]
        lines += [
            f"| `{column.name}` | {column.type} | {column.pii} | {column.description} |" for column in entry.columns
        ]
        lines.append("")
    return "\n".join(lines)
