"""What the benchmarks of streams share: a lab that has them, its programs, Kafka's tools, and no traces at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from running import NotThereError, running_lab

from quintet.flink import retained
from quintet.runs.record import hand_over
from quintet.settings import Lab

__all__ = ["Streams", "streaming_lab"]

PROFILES = ("lakehouse", "streaming")
#: Seconds for one program; a stuck one must not hold up the others.
LIMIT = 420
CLIENTS = Path(__file__).parent


def streaming_lab() -> Lab:
    """The running lab, when it has streams. Raises NotThereError."""
    lab = running_lab()
    missing = [name for name in PROFILES if name not in lab.profiles]
    if missing:
        raise NotThereError(
            f"the lab has no {' and no '.join(missing)}. Run: make install PROFILES={','.join(PROFILES)}"
        )
    return lab


@dataclass(frozen=True)
class Streams:
    """Programs of one lab; those of the lab itself run as its user where there is one."""

    lab: Lab

    def client(self, program: str, verb: str, *words: object) -> dict[str, Any]:
        """Answer of a program beside this file, run in the environment of stream clients."""
        done = self.start_client(program, verb, *words)
        return self.answer(done)

    def start_client(self, program: str, verb: str, *words: object) -> subprocess.Popen[str]:
        """Start such a program."""
        arguments = [str(CLIENTS / program), verb, *map(str, words)]
        return self._start("streaming", arguments, as_user=False)

    def answer(
        self, running: subprocess.Popen[str], given: str | None = None, *, within: float = LIMIT
    ) -> dict[str, Any]:
        """Wait for a program; what its last line holds. Raises RuntimeError with the end of what it wrote."""
        try:
            output, errors = running.communicate(given, timeout=within)
        except BaseException:
            running.kill()
            running.wait()
            raise
        if running.returncode:
            shown = running.args if isinstance(running.args, str) else " ".join(map(str, running.args))  # type: ignore[arg-type]
            raise RuntimeError(f"{shown} ended with {running.returncode}:\n{(errors or output)[-3000:]}")
        lines = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith(("{", "RESULT "))]
        found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return found

    def call(self, function: str, **arguments: Any) -> dict[str, Any]:
        """Result of a function of the product, in the environment of stream clients."""
        running = self._start("streaming", ["-m", "quintet.call", function], as_user=True)
        return self.answer(running, json.dumps(arguments))

    def module(self, environment: str, module: str, *words: str) -> dict[str, Any]:
        """Result of a module of the product."""
        return self.answer(self._start(environment, ["-m", module, *words], as_user=True))

    def spark_job(self, job: str) -> dict[str, Any]:
        """Result of a Spark job of the product."""
        file = self.lab.path("app") / "spark_jobs" / job
        return self.answer(self._start("spark", [str(file), "--run-id", "benchmark"], as_user=True))

    def kafka_tool(self, name: str, *words: object) -> str:
        """What a tool of Kafka's own prints; it enters as the administrator."""
        lab = self.lab
        java = Path(lab.options["spark"]["java_home"]) / "bin" / "java"
        door = lab.endpoint("kafka")
        command = [
            *self._other_user(),
            *(str(java), "-Xms256m", "-Xmx512m", "-Dlog4j2.level=ERROR"),
            *("-cp", str(lab.path("programs") / "jars" / "kafka" / "*"), f"org.apache.kafka.tools.{name}"),
            *("--bootstrap-server", f"{door.host}:{door.port}"),
            *("--command-config", str(lab.path("config") / "kafka" / f"{lab.options['kafka']['admin']}.properties")),
            *map(str, words),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd="/", check=False)
        if done.returncode:
            raise RuntimeError(f"{name} ended with {done.returncode}:\n{(done.stderr + done.stdout)[-3000:]}")
        return done.stdout

    def place_jobs(self, folder: Path) -> tuple[Path, dict[str, str]]:
        """Copy jobs where Flink's deployment can read them, each under a name of its own, which the answer tells.

        A cluster takes the id of a job once: a benchmark that is repeated needs other names.
        """
        mark = uuid.uuid4().hex[:8]
        place = self.lab.path("run") / f"benchmark-{mark}"
        names = {}
        for job in sorted(folder.glob("*/*/job.yaml")):
            slug, name = job.parent.parent.name, job.parent.name
            target = place / slug / f"{name}_{mark}"
            shutil.copytree(job.parent, target)
            text = job.read_text(encoding="utf-8").replace(f"name: {name}\n", f"name: {name}_{mark}\n", 1)
            (target / "job.yaml").write_text(text, encoding="utf-8")
            names[name] = f"{slug}/{target.name}"
        place.chmod(0o755)
        hand_over(self.lab, place)
        return place, names

    def forget_jobs(self, jobs: Sequence[str], *, job_ids: Sequence[str] = ()) -> None:
        """Take away what the ledger and the lake keep of jobs that have ended."""
        told = self.client("stream_client.py", "forget", *jobs)["job_ids"] if jobs else []
        for job_id in {*told, *job_ids}:
            retained.forget(self.lab, job_id)
        for job in jobs:
            folder = unquote(urlsplit(retained.savepoints_folder(self.lab, job)).path)
            shutil.rmtree(folder, ignore_errors=True)

    def _start(self, environment: str, arguments: Sequence[str], *, as_user: bool) -> subprocess.Popen[str]:
        lab = self.lab
        known = {
            "QUINTET_LAB": str(lab.file),
            "HOME": str(lab.path("home")),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            # The deployed code is measured, by clients that lie in the clone, too.
            "PYTHONPATH": str(lab.path("app") / "include"),
        }
        return subprocess.Popen(
            [*(self._other_user() if as_user else []), str(lab.environment(environment).python), *arguments],
            env=known,
            cwd=lab.path("home"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _other_user(self) -> list[str]:
        user = self.lab.user
        if os.geteuid() != 0 or user == "root":
            return []
        return ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"]
