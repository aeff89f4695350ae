"""Prove that a lab's dashboards can be used: who enters, what is there, what the charts say."""

from __future__ import annotations

from quintet.dashboards.publish import shown
from quintet.dashboards.server import ADMIN, VIEWER, Superset, WrongPasswordError, enter
from quintet.errors import LabError
from quintet.settings import Lab

__all__ = ["check", "refuses_strangers"]

#: What Trino says of a table that no run has made yet.
NOT_YET = ("TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "does not exist")


def check(lab: Lab) -> dict[str, int]:
    """Of a chart of each dashboard: how many answer, and how many wait for a run to make their table.

    Raises:
        LabError: a stranger enters, a user does not, a dashboard is missing, or a chart fails for another reason.

    """
    refuses_strangers(lab)
    enter(lab).close()
    counted = {"answered": 0, "waiting": 0}
    with enter(lab, VIEWER) as session:
        wanted = shown(lab, session)
        missing = [one.title for one in wanted if not one.is_current]
        if missing:
            raise LabError(f"Superset lacks: {', '.join(missing)}", remedy="Run: make deploy")
        for one in wanted:
            # Each costs a query: one says that the way from the page to the engine is open.
            _, number = min(session.charts(one.slug).items())
            counted["answered" if _answers(session, number) else "waiting"] += 1
    return counted


def refuses_strangers(lab: Lab) -> None:
    """Raise LabError when a wrong password opens the door."""
    with Superset(lab.endpoint("superset").url, timeout=30) as session:
        try:
            session.login(ADMIN, "wrong")
        except WrongPasswordError:
            return
    raise LabError("Superset lets a wrong password in", remedy="Stop it: quintet stop superset")


def _answers(session: Superset, chart: int) -> bool:
    try:
        session.rows(chart)
    except LabError as error:
        if any(word in error.message for word in NOT_YET):
            return False
        raise
    return True
