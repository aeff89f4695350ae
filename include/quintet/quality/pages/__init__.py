"""The pages of Great Expectations without the network: what they load from it is put beside them.

They name stylesheets and scripts of several hosts, and the list of runs is drawn by one of the scripts: where those
hosts are not reached, or not allowed, it stays empty. Bootstrap and jQuery are taken from the web pages of the
installed Spark, in versions that the pages can use; what they need of bootstrap-table and of the icons is in
`tables.js` and `pages.css` beside this module.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath

__all__ = ["take_offline"]

#: Folder of what the pages load, below the site.
_FOLDER = PurePosixPath("static", "offline")
#: Where Spark keeps it: name here -> name in the jar of its core.
_OF_SPARK = {
    "bootstrap.css": r"org/apache/spark/ui/static/bootstrap\.min\.css",
    "jquery.js": r"org/apache/spark/ui/static/jquery-[\d.]+\.min\.js",
    "bootstrap.js": r"org/apache/spark/ui/static/bootstrap\.bundle\.min\.js",
}
_OWN = ("pages.css", "tables.js")
#: In the order in which they are loaded: the plugin needs jQuery.
_LOADED = ("bootstrap.css", "pages.css", "jquery.js", "bootstrap.js", "tables.js")

_TAG = re.compile(
    r"""<script\b[^>]*\bsrc=["']https?://[^>]*>\s*</script>\s*|<link\b[^>]*\bhref=["']https?://[^>]*>\s*"""
)
_PICTURE = re.compile(r"""(<img\b[^>]*?\bsrc=["'])https?://[^"'?]*/([^/"'?]+)[^"']*""")
_DRAWN = re.compile(r"""url\(\s*["']?https?://[^)]*\)""")
#: The dark colours came from one of the stylesheets; half of them would make text vanish.
_DARK = "@media (prefers-color-scheme: dark)"
_NEVER = "@media not all"


def take_offline(site: Path) -> list[Path]:
    """Let the pages below a folder load everything from there; those that were changed. Repeating changes nothing.

    Raises:
        LookupError: the installed Spark brings another set of files.

    """
    folder = site / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _files().items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            _replace(path, content)
    changed = []
    for page in sorted(site.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        offline = _rewritten(text, "../" * (len(page.relative_to(site).parts) - 1))
        if offline != text:
            _replace(page, offline.encode())
            changed.append(page)
    return changed


def _files() -> dict[str, bytes]:
    import pyspark  # not at the top: it takes a second

    here = Path(__file__).parent
    found = {name: (here / name).read_bytes() for name in _OWN}
    (jar,) = (Path(pyspark.__file__).parent / "jars").glob("spark-core_*.jar")
    with zipfile.ZipFile(jar) as content:
        for name, pattern in _OF_SPARK.items():
            matches = [entry for entry in content.namelist() if re.fullmatch(pattern, entry)]
            if len(matches) != 1:
                raise LookupError(f"{jar.name} holds {len(matches)} files for {name}, not one")
            found[name] = content.read(matches[0])
    return found


def _rewritten(text: str, root: str) -> str:
    """Point a page, which lies at `root` from the site, to what lies beside it."""
    first = _TAG.search(text)
    if first:
        # Where the first of them stood: the page's own styles come later and win.
        rest = _TAG.sub("", text[first.start() :])
        text = f"{text[: first.start()]}{_tags(f'{root}{_FOLDER}/')}{rest}"
    text = _PICTURE.sub(rf"\g<1>{root}static/images/\g<2>", text)
    return _DRAWN.sub("none", text).replace(_DARK, _NEVER)


def _tags(folder: str) -> str:
    return "".join(
        f'<link rel="stylesheet" href="{folder}{name}">\n'
        if name.endswith(".css")
        else f'<script src="{folder}{name}"></script>\n'
        for name in _LOADED
    )


def _replace(path: Path, content: bytes) -> None:
    """Write whole or not at all: the pages are read meanwhile."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
