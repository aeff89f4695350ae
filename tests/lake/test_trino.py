"""What the lake asks of Trino."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs import lab_below
from quintet.errors import LabError, ServiceDownError
from quintet.lake.trino import check_answers, connect, stream
from trino_server import Refusal, trino_server


def test_a_trino_that_answers_tells_its_version(tmp_path: Path) -> None:
    with trino_server(lambda _: [["476"]]) as server:
        lab = lab_below(tmp_path / "lab", trino_port=server.port)
        assert check_answers(lab_file=str(lab.file)) == {"version": "476"}


def test_a_trino_that_is_down_is_told_with_its_address(tmp_path: Path) -> None:
    lab = lab_below(tmp_path / "lab", trino_port=1)
    with pytest.raises(ServiceDownError, match=r"Trino does not answer at 127\.0\.0\.1:1 "):
        check_answers(lab_file=str(lab.file))


def test_rows_come_as_they_are_taken_and_errors_are_told_with_the_statement(tmp_path: Path) -> None:
    rows = [[number, f"r{number}"] for number in range(5)]
    with trino_server(lambda text: Refusal("no such table") if "nothing" in text else rows) as server:
        connection = connect(lab_below(tmp_path / "lab", trino_port=server.port))
        assert list(stream(connection, "select 1")) == rows
        assert next(stream(connection, "select 1")) == rows[0]
        with pytest.raises(LabError, match=r"no such table.*Statement: select nothing"):
            list(stream(connection, "select nothing"))
        with pytest.raises(LabError, match=r"Statement: select nothing( or 1){20}.* … \(50,014 characters\)$"):
            list(stream(connection, "select nothing" + " or 1" * 10_000))
