"""Programs of the lab: real ones, their result, their failure, and where they run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from quintet.errors import LabError
from quintet.runs.programs import run_command, run_module
from quintet.settings import Lab, read_lab


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_last_result_line_is_what_a_program_returns(lab: Lab) -> None:
    code = """print('RESULT {"rows": 1}'); print('RESULT {"rows": 2}'); print('done')"""
    assert run_command(lab, python(code)) == {"rows": 2}


def test_a_program_without_a_result_returns_nothing(lab: Lab) -> None:
    assert run_command(lab, python("print('fine')")) is None


def test_a_program_knows_the_lab_and_runs_in_its_home(lab: Lab) -> None:
    code = "import json, os; print('RESULT', json.dumps([os.environ['QUINTET_LAB'], os.environ['HOME'], os.getcwd()]))"
    home = str(lab.path("home"))
    assert run_command(lab, python(code)) == [str(lab.file), home, home]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('the lake is full')", "the lake is full"),
        ("print('said on the wrong stream'); raise SystemExit(3)", "said on the wrong stream"),
        ("import sys; sys.stderr.write('x' * 9000 + 'the end'); sys.exit(1)", "x{100}the end$"),
    ],
)
def test_a_program_that_fails_tells_the_end_of_what_it_wrote(lab: Lab, code: str, words: str) -> None:
    with pytest.raises(LabError, match=words) as failure:
        run_command(lab, python(code))
    assert len(failure.value.message) < 2000


def test_a_program_that_is_not_there_names_the_installation(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"no-such-program cannot be started .*make install"):
        run_command(lab, [str(lab.path("home") / "no-such-program"), "now"])


def test_a_module_runs_in_its_environment(lab: Lab, tmp_path: Path) -> None:
    # An environment whose interpreter is the one of this test.
    folder = tmp_path / "env" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    content = yaml.safe_load(lab.file.read_text(encoding="utf-8"))
    content["environments"]["spark"] = str(folder.parent)
    lab.file.write_text(yaml.safe_dump(content), encoding="utf-8")
    (lab.path("home") / "shoptool.py").write_text(
        "import sys\nprint('RESULT', '\"' + sys.argv[1] + '\"')\n", encoding="utf-8"
    )
    assert run_module(read_lab(lab.file), "spark", "shoptool", "one") == "one"
