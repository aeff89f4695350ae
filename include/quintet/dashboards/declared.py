"""Dashboards as the repository declares them, in Superset's own export format, and the bundle that Superset imports.

`dashboards/platform/databases/` holds the connection, `dashboards/<slug>/{datasets,charts,dashboards}/` what a project
shows. The files name no place: the address of Trino is filled in from the lab file when they are packed.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from quintet.dashboards.queries import query_context
from quintet.errors import QuintetError
from quintet.settings import Endpoint

__all__ = ["PLATFORM", "Declared", "read_declared", "slugs"]

#: Folder of what all projects share.
PLATFORM = "platform"
#: Kinds of files, each a folder; a bundle has them under these names.
KINDS = ("databases", "datasets", "charts", "dashboards")
#: What stands for the address of Trino in a connection.
TRINO = "{trino}"

# The parser in C is ten times as fast, where the package has it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

Content = dict[str, Any]


@dataclass(frozen=True)
class Declared:
    """What one project shows: kind -> name of the file -> its content."""

    slug: str
    files: Mapping[str, Mapping[str, Content]]

    @property
    def dashboards(self) -> tuple[Content, ...]:
        """Its dashboards."""
        return tuple(self.files["dashboards"].values())

    @property
    def datasets(self) -> tuple[Content, ...]:
        """Its datasets."""
        return tuple(self.files["datasets"].values())

    @property
    def charts(self) -> tuple[Content, ...]:
        """Its charts."""
        return tuple(self.files["charts"].values())

    def stamp(self, trino: Endpoint) -> str:
        """Digest of the content as it is shown in a lab."""
        return hashlib.sha256(json.dumps(self._filled(trino), sort_keys=True).encode()).hexdigest()[:16]

    def packed(self, trino: Endpoint) -> bytes:
        """The bundle to import, in which the dashboards carry the stamp."""
        files = self._filled(trino)
        text = stamp_text(self.slug, self.stamp(trino))
        for dashboard in files["dashboards"].values():
            # Superset keeps and shows it beside who answers for the dashboard.
            dashboard["certification_details"] = text
            # Its pages say so and offer no editing: the next import would take it away.
            dashboard["is_managed_externally"] = True
        return _zipped(files)

    def _filled(self, trino: Endpoint) -> dict[str, dict[str, Content]]:
        files = {kind: {name: dict(one) for name, one in self.files[kind].items()} for kind in KINDS}
        for database in files["databases"].values():
            database["sqlalchemy_uri"] = database["sqlalchemy_uri"].replace(TRINO, f"{trino.host}:{trino.port}")
        for chart in files["charts"].values():
            chart["query_context"] = json.dumps(query_context(chart["params"]), sort_keys=True)
        return files


def stamp_text(slug: str, stamp: str) -> str:
    """What a dashboard in Superset says about where it comes from."""
    return f"dashboards/{slug} of the repository, content {stamp}"


def slugs(folder: Path) -> tuple[str, ...]:
    """Projects that have dashboards."""
    return tuple(sorted(path.parent.name for path in folder.glob("*/dashboards")))


def read_declared(folder: Path, slug: str) -> Declared:
    """Read what a project shows, with the connection that all share.

    Raises:
        QuintetError: a file is no YAML of Superset's format.

    """
    return Declared(slug, {kind: _read(folder / (PLATFORM if kind == "databases" else slug) / kind) for kind in KINDS})


def _read(folder: Path) -> dict[str, Content]:
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506  # a safe one
        except yaml.YAMLError as error:
            raise QuintetError(f"{path} is no YAML: {error}", remedy="Correct the file") from error
        if not isinstance(content, dict) or "uuid" not in content:
            raise QuintetError(f"{path} declares nothing with a uuid", remedy="Write it as Superset exports it")
        found[path.stem] = content
    return found


def _zipped(files: Mapping[str, Mapping[str, Content]]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as bundle:
        # Superset wants the time of an export and does nothing with it.
        metadata = {"version": "1.0.0", "type": "assets", "timestamp": "2026-01-01T00:00:00+00:00"}
        bundle.writestr("bundle/metadata.yaml", yaml.dump(metadata, Dumper=_Dumper))
        for kind, contents in files.items():
            for name, content in contents.items():
                bundle.writestr(f"bundle/{kind}/{name}.yaml", yaml.dump(content, Dumper=_Dumper, sort_keys=False))
    return target.getvalue()
