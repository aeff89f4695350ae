"""Parameters that a person gives a run (input folder, days, everything anew) and the templates that read them."""

from __future__ import annotations

from airflow.sdk import Param

from quintet.settings import load_lab

__all__ = ["DAYS", "FULL_REFRESH", "INPUT", "full_refresh_param", "input_param", "range_params"]

INPUT = "{{ params.input }}"
#: First and last day; empty where none was given.
DAYS = {"from": "{{ params['from'] or '' }}", "to": "{{ params['to'] or '' }}"}
FULL_REFRESH = "{{ params.full_refresh }}"


def input_param(content: str) -> dict[str, Param]:
    """Parameter `input`: the folder with the files; `content` says what is to be in it."""
    return {
        "input": Param(
            str(load_lab().path("input")), type="string", minLength=1, title="Input folder", description=content
        )
    }


def range_params() -> dict[str, Param]:
    """Parameters `from` and `to`: a back-fill."""
    return {
        name: Param(None, type=["null", "string"], format="date", title=title, description=description)
        for name, title, description in (
            ("from", "First day", "Only files of this day and later (by the day in their name); empty: no bound"),
            ("to", "Last day", "Only files up to this day; empty: no bound"),
        )
    }


def full_refresh_param(title: str, consequence: str) -> dict[str, Param]:
    """Parameter `full_refresh`: what was done before is done again."""
    return {"full_refresh": Param(False, type="boolean", title=title, description=consequence)}
