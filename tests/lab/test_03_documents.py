"""Commands that the documents show are run as they stand there."""

from __future__ import annotations

import re
import shlex

import pytest
from tests.lab.conftest import LabUnderTest

from paths import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("shop")]

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def shown() -> list[str]:
    """Lines of the README's shell blocks that call the command and need no more than a lab that has run."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for block in BLOCK.findall(readme) for line in block.splitlines()]
    return [line for line in lines if line.startswith("quintet ")]


def test_the_readme_shows_commands() -> None:
    assert len(shown()) >= 5


@pytest.mark.parametrize("line", shown())
def test_a_command_of_the_readme_does_what_it_says(line: str, installed: LabUnderTest) -> None:
    _, *arguments = shlex.split(line)
    done = installed.quintet(*arguments)
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr
