"""What is emptied for a run that begins anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labs import lab_below
from quintet.ecommerce import reset as module

EMPTIED = [
    ("airflow", "quintet.flink", "stop", "ecommerce/live_figures"),
    ("airflow", "quintet.flink", "stop", "ecommerce/live_products"),
    ("streaming", "quintet.ecommerce.emptying"),
]
REMOVED = ("search", "quintet.ecommerce.search", "remove")


@pytest.mark.parametrize(("profiles", "more"), [(("streaming",), []), (("streaming", "search"), [REMOVED])])
def test_streams_are_stopped_before_their_records_go_and_the_index_goes_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profiles: tuple[str, ...], more: list[tuple[str, ...]]
) -> None:
    done: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "run_module", lambda _lab, *words: done.append(words))
    module.reset(replace(lab_below(tmp_path), profiles=("core", *profiles)))
    assert done == [*EMPTIED, *more]
