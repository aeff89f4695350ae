"""Documents rendered from the catalogue: the README's projects table and docs/tables.md."""

from __future__ import annotations

from pathlib import Path

from quintet.catalogue import PROJECTS, Table, tables

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
        root / "docs" / "tables.md": _tables(),
    }


def _projects() -> str:
    lines = ["| project | question | profiles | page |", "|---|---|---|---|"]
    lines += [
        f"| {entry.title} | {entry.question} | {', '.join(entry.profiles)} | "
        f"[{entry.slug}](docs/projects/{entry.slug}.md) |"
        for entry in PROJECTS
    ]
    return "\n".join(lines) + "\n"


def _tables() -> str:
    parts = ["# Tables\n", "Generated from the catalogue by `quintet docs`.\n"]
    parts += [_table(entry) for entry in tables()]
    return "\n".join(parts)


def _table(entry: Table) -> str:
    lines = [
        f"## {entry.full_name}\n",
        f"{entry.description}. Owner {entry.owner}, written by {entry.writer}, personal data: {entry.pii}.\n",
    ]
    if entry.columns:
        lines += ["| column | type | personal data | description |", "|---|---|---|---|"]
        lines += [
            f"| `{column.name}` | {column.type} | {column.pii} | {column.description} |" for column in entry.columns
        ]
        lines.append("")
    return "\n".join(lines)
