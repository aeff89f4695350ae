"""Every folder of tests belongs to a suite, so that nothing is left unrun."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Run by their own targets: the labs' tests need services, benchmarks measure.
APART = {"tests/lab", "tests/compose", "tests/benchmarks"}


def suites() -> dict[str, list[str]]:
    lines = (ROOT / "scripts" / "suites").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return {name: folders for name, _environment, *folders in words}


def test_every_test_file_belongs_to_exactly_one_suite() -> None:
    named = [path for folders in suites().values() for path in folders]
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        relative = file.relative_to(ROOT).as_posix()
        owners = [path for path in named if relative == path or relative.startswith(path + "/")]
        apart = any(relative.startswith(folder + "/") for folder in APART)
        assert len(owners) == (0 if apart else 1), f"{relative}: name its folder once in scripts/suites"


def test_every_named_folder_exists() -> None:
    missing = [path for folders in suites().values() for path in folders if not (ROOT / path).exists()]
    assert not missing, f"scripts/suites names what is not there: {missing}"


def test_no_suite_has_two_files_of_one_name() -> None:
    for name, folders in suites().items():
        files = [file for folder in folders for file in sorted((ROOT / folder).rglob("test_*.py"))]
        names = [file.name for file in files]
        assert len(set(names)) == len(names), f"suite {name}: pytest imports files by their names: {sorted(names)}"
