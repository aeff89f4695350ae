"""The pages of Great Expectations load nothing from other hosts, and still list the runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest

from expectations_library import LIBRARY_WARNINGS
from quintet.quality import expectations
from quintet.quality.pages import take_offline

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: Elements that load something, and the attributes that name it. Anchors load nothing before they are followed.
LOADING = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "object": ("data",),
    "embed": ("src",),
}


class Loaded(HTMLParser):
    """What a page loads, by its elements and by its styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = re.findall(r"url\(\s*[\"']?([^)\"']+)", text)
        self.found += re.findall(r"@import\s+[\"']([^\"']+)", text)
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if value and name in LOADING.get(tag, ())]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages as the library writes them, of a suite with a broken and a good expectation."""
    folder = tmp_path_factory.mktemp("pages")
    with warnings.catch_warnings():
        for text in LIBRARY_WARNINGS:
            warnings.filterwarnings("ignore", text, DeprecationWarning)
        expectations.start_import().join()
        import great_expectations as gx
        import great_expectations.expectations as gxe

        context = expectations._context(folder / "site", folder / "store")
        asset = context.data_sources.add_pandas(name="groups").add_dataframe_asset(name="lines")
        meta = {"meta": {"rule": "named"}, "notes": "why"}
        frame = pd.DataFrame({"name": ["a", None, None], "pieces": [1, 2, 1]})
        for number in (1, 2):
            rules = [
                gxe.ExpectColumnValuesToNotBeNull(column="name", **meta),
                gxe.ExpectColumnValuesToBeInSet(column="pieces", value_set=[1, 2], **meta),
            ]
            run = gx.RunIdentifier(run_name=f"run-{number}", run_time=datetime(2025, 2, number, tzinfo=UTC))
            expectations._run(context, asset, f"lines_{number}", rules, frame, run)
    return folder / "site"


@pytest.fixture
def offline(site: Path, tmp_path: Path) -> Path:
    """A copy of them that has been taken offline."""
    copied = tmp_path / "site"
    shutil.copytree(site, copied)
    assert take_offline(copied)
    return copied


def pages(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert {"index.html", "lines_1.html"} <= {page.name for page in found}
    assert any("validations" in page.parts for page in found)
    return found


def test_the_library_itself_loads_from_other_hosts(site: Path) -> None:
    """Else there is nothing to do any more."""
    for page in pages(site):
        assert any(urlsplit(name).netloc for name in Loaded(page.read_text(encoding="utf-8")).found), page


def test_no_page_loads_anything_from_another_host(offline: Path) -> None:
    for page in pages(offline):
        named = Loaded(page.read_text(encoding="utf-8")).found
        assert [name for name in named if urlsplit(name).netloc] == [], page


def test_everything_that_a_page_loads_lies_beside_it(offline: Path) -> None:
    for page in pages(offline):
        named = [urlsplit(name) for name in Loaded(page.read_text(encoding="utf-8")).found]
        loaded = [(page.parent / name.path).resolve() for name in named if name.scheme != "data"]
        assert len([path for path in loaded if "offline" in path.parts]) == 5, page
        # The favicon of results is named one folder too low by the library.
        assert [path for path in loaded if not path.is_file() and path.name != "favicon.ico"] == [], page


def test_taking_pages_offline_again_changes_nothing(offline: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in offline.rglob("*") if path.is_file()}
    assert take_offline(offline) == []
    assert {path: path.stat().st_mtime_ns for path in offline.rglob("*") if path.is_file()} == before


def test_a_page_that_comes_later_is_taken_offline_too(offline: Path, site: Path) -> None:
    shutil.copy(site / "index.html", offline / "index.html")
    assert take_offline(offline) == [offline / "index.html"]


@pytest.mark.skipif(CHROMIUM is None, reason="no browser on this machine")
def test_a_browser_without_network_lists_the_runs_latest_first(offline: Path, tmp_path: Path) -> None:
    drawn = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'browser'}",
            "--virtual-time-budget=5000",
            "--dump-dom",
            (offline / "index.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    rows = re.findall(r'<tr class="clickable-row" data-href="validations/(lines_\d)/(run-\d)/', drawn)
    assert rows == [("lines_2", "run-2"), ("lines_1", "run-1")]
    assert 'aria-sort="descending"' in drawn
