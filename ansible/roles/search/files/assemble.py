"""Put the server, its plugins and the lab's launcher together as one class path; prints `changed` or `same`.

Usage: assemble.py <java> <jars> <sources of the launcher> <target>

Plugins come as archives with libraries of their own; of one that the server has too, the server's is taken, and of one
that two plugins have, the first's. The compiler is one of the jars: a Java that only runs programs is enough.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

#: What a jar is called without its version.
NAME = re.compile(r"^(.+?)-v?\d[\w.+-]*\.jar$")


def main(java: str, jars_folder: str, sources_folder: str, target_folder: str) -> None:
    """Assemble when the jars, a source or this program differ."""
    jars, target = Path(jars_folder), Path(target_folder)
    sources = sorted(Path(sources_folder).rglob("*.java"))
    told = [path.read_bytes() for path in (*sources, jars / ".stamp", Path(__file__))]
    stamp = hashlib.sha256(b"\0".join(told)).hexdigest() + "\n"
    if (target / ".stamp").exists() and (target / ".stamp").read_text(encoding="utf-8") == stamp:
        sys.stdout.write("same\n")
        return
    draft = target.with_name(f"{target.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    # The server looks for folders of modules and plugins, too.
    for part in ("lib", "modules", "plugins"):
        (draft / part).mkdir(parents=True)
    (compiler,) = jars.glob("ecj-*.jar")
    known = set()
    for jar in sorted(jars.glob("*.jar")):
        if jar != compiler:
            known.add(name(jar.name))
            (draft / "lib" / jar.name).symlink_to(jar)
    for plugin in sorted(jars.glob("*.zip")):
        take(plugin, draft / "lib", known)
    launch(java, compiler, sources, draft / "lib")
    (draft / ".stamp").write_text(stamp, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    sys.stdout.write("changed\n")


def name(jar: str) -> str:
    """Name of a jar without its version."""
    found = NAME.match(jar)
    return found.group(1) if found else jar


def take(plugin: Path, folder: Path, known: set[str]) -> None:
    """Unpack the jars of a plugin whose like is not there."""
    with zipfile.ZipFile(plugin) as archive:
        for member in sorted(archive.namelist()):
            jar = Path(member).name
            if jar.endswith(".jar") and name(jar) not in known:
                known.add(name(jar))
                (folder / jar).write_bytes(archive.read(member))


def launch(java: str, compiler: Path, sources: list[Path], folder: Path) -> None:
    """Compile the launcher into a jar of its own; ends the program when the compiler, which says why, refuses it."""
    with tempfile.TemporaryDirectory() as work:
        path = ":".join(str(jar) for jar in sorted(folder.iterdir()))
        options = ["-21", "-proc:none", "-encoding", "UTF-8", "-failOnWarning", "-warn:+unused", "-cp", path]
        done = subprocess.run([java, "-jar", compiler, *options, "-d", work, *sources], stdout=sys.stderr, check=False)
        if done.returncode != 0:
            sys.exit(f"{compiler.name} refuses the launcher")
        with zipfile.ZipFile(folder / "quintet-search.jar", "w") as jar:
            for file in sorted(Path(work).rglob("*.class")):
                jar.write(file, file.relative_to(work))


if __name__ == "__main__":
    main(*sys.argv[1:])
