"""Bring the dashboards of a release into the lab's Superset: what is there with the same content stays untouched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quintet.dashboards.declared import Declared, read_declared, slugs, stamp_text
from quintet.dashboards.server import READERS, Superset, enter
from quintet.settings import Lab

__all__ = ["Shown", "declared", "publish", "shown"]


@dataclass(frozen=True)
class Shown:
    """One dashboard; `is_current`: Superset has it as the release declares it."""

    project: str
    slug: str
    title: str
    owner: str
    url: str
    charts: int
    is_current: bool


def declared(lab: Lab) -> tuple[Declared, ...]:
    """Dashboards of the release, by project."""
    folder = lab.path("app") / "dashboards"
    return tuple(read_declared(folder, slug) for slug in slugs(folder))


def publish(lab: Lab) -> dict[str, str]:
    """Import what differs and let the readers read; for each project, and the rights, `changed` or `same`.

    Raises:
        LabError: Superset does not answer, or refuses an import.

    """
    told = {}
    wanted, trino = declared(lab), lab.endpoint("trino")
    with enter(lab) as session:
        present = session.dashboards()
        for one in wanted:
            is_there = _is_current(one, one.stamp(trino), present)
            if not is_there:
                session.import_bundle(one.packed(trino))
            told[one.slug] = "same" if is_there else "changed"
        told["rights"] = _allow(session, wanted)
    return told


def shown(lab: Lab, session: Superset) -> list[Shown]:
    """Every dashboard of the release, and whether Superset has it. Raises LabError."""
    present = session.dashboards()
    found = []
    for one in declared(lab):
        stamp = one.stamp(lab.endpoint("trino"))
        found += [
            Shown(
                project=one.slug,
                slug=entry["slug"],
                title=entry["dashboard_title"],
                owner=entry["certified_by"],
                url=f"{lab.endpoint('superset').url}/superset/dashboard/{entry['slug']}/",
                charts=len(one.charts),
                is_current=_is_current(one, stamp, present),
            )
            for entry in one.dashboards
        ]
    return found


def _is_current(one: Declared, stamp: str, present: Mapping[str, Mapping[str, object]]) -> bool:
    text = stamp_text(one.slug, stamp)
    return all(present.get(entry["slug"], {}).get("certification_details") == text for entry in one.dashboards)


def _allow(session: Superset, wanted: tuple[Declared, ...]) -> str:
    uuids = [dataset["uuid"] for one in wanted for dataset in one.datasets]
    return "changed" if session.allow(READERS, uuids) else "same"
