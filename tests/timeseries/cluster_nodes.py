"""The nodes that the drill kills: processes forked off one that has loaded all code, each runs the command `node`."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading

from quintet.timeseries.cluster.command import main


def serve() -> None:
    """For each line of arguments read, fork a node and say its process."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    for line in sys.stdin:
        assert threading.active_count() == 1, "a process with threads cannot be forked"
        child = os.fork()
        if not child:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                os._exit(main(["node", *shlex.split(line)]))
            finally:
                os._exit(1)
        os.write(1, f"{child}\n".encode())


if __name__ == "__main__":
    serve()
