"""What the lake asks of Trino."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs import lab_below
from quintet.errors import ServiceDownError
from quintet.lake.trino import check_answers
from trino_server import trino_server


def test_a_trino_that_answers_tells_its_version(tmp_path: Path) -> None:
    with trino_server(lambda _: [["476"]]) as server:
        lab = lab_below(tmp_path / "lab", trino_port=server.port)
        assert check_answers(lab_file=str(lab.file)) == {"version": "476"}


def test_a_trino_that_is_down_is_told_with_its_address(tmp_path: Path) -> None:
    lab = lab_below(tmp_path / "lab", trino_port=1)
    with pytest.raises(ServiceDownError, match=r"Trino does not answer at 127\.0\.0\.1:1 "):
        check_answers(lab_file=str(lab.file))
