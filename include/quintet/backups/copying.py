"""Program that copies the repository to the object store and back, in the environment that has its client.

Usage: python -m quintet.backups.copying send|fetch <folder>
"""

from __future__ import annotations

import sys
from pathlib import Path

from quintet.backups import mirror
from quintet.call import tell
from quintet.objects import Bucket
from quintet.settings import load_lab

__all__ = ["main"]


def main(verb: str, folder: str) -> int:
    """Do it and tell the figures; the exit code."""

    def work() -> object:
        bucket = Bucket.of(load_lab(), "keeper", holding="backups")
        return mirror.send(Path(folder), bucket) if verb == "send" else mirror.fetch(bucket, Path(folder))

    return tell(work)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
