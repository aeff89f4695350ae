"""What the tests of streams do to the lab from outside: produce numbers, count what came out, deploy by the command.

`Drill` runs programs of the lab's own environments, as its user where the lab has one of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from quintet.settings import Lab

__all__ = ["Drill", "topics_program"]

#: Bound of one program, in seconds.
LIMIT = 600
NUMBERS, COPIES = "lakehouse.drill.numbers", "lakehouse.drill.copies"
KEYS = 50


class Drill:
    """One lab under a drill."""

    def __init__(self, lab: Lab, jobs: Path, job: str = "lakehouse/drill") -> None:
        self.lab, self.jobs, self.job = lab, jobs, job
        self._code = str(lab.path("app") / "include")

    def flink(self, *words: str, expect: int | None = 0) -> tuple[list[dict[str, Any]], str]:
        """Rows and messages of `python -m quintet.flink`."""
        done = self._run("airflow", ["-m", "quintet.flink", *words], as_user=True)
        assert expect in {None, done.returncode}, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def deploy(self, *words: str, expect: int = 0) -> tuple[dict[str, Any], str]:
        """Deploy the drill's job; its outcome and what was told."""
        rows, told = self.flink("deploy", self.job, "--jobs", str(self.jobs), *words, expect=expect)
        return (rows[0] if rows else {}), told

    def capture(self) -> None:
        """Make what the stream of the shop reads: its database, topics and connector."""
        done = self._run("streaming", ["-m", "quintet.lakehouse.shop.proof", "prepare"], as_user=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def topics(self, verb: str, *words: str) -> dict[str, Any]:
        """Answer of `topics_program`, run in the environment of stream clients."""
        done = self._run("streaming", [str(Path(__file__)), verb, *words], as_user=False)
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def produce(self, count: int, *, rate: int = 0) -> subprocess.Popen[str]:
        """Start to produce; its numbers go on where those before ended."""
        words = [self.lab.environment("streaming").python, Path(__file__), "produce", str(count), str(rate)]
        return subprocess.Popen(words, env=self._environment(), stdout=subprocess.DEVNULL, text=True)

    def _run(self, environment: str, words: Sequence[str], *, as_user: bool) -> subprocess.CompletedProcess[str]:
        other = ["setpriv", "--reuid", self.lab.user, "--regid", self.lab.user, "--init-groups", "--"]
        return subprocess.run(
            [*(other if as_user and os.geteuid() == 0 else []), self.lab.environment(environment).python, *words],
            env=self._environment(),
            cwd="/",
            text=True,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )

    def _environment(self) -> dict[str, str]:
        known = {"QUINTET_LAB": str(self.lab.file), "PYTHONPATH": self._code, "HOME": str(self.lab.path("home"))}
        return {"PATH": os.environ["PATH"], **known}


def topics_program(verb: str, *words: str) -> dict[str, Any]:
    """Run in the environment `streaming`: prepare, fill, read or remove the topics of the drill."""
    from confluent_kafka import Consumer, Producer, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic

    lab = yaml.safe_load(Path(os.environ["QUINTET_LAB"]).read_text(encoding="utf-8"))
    secrets = yaml.safe_load(Path(os.environ["QUINTET_LAB"]).with_name("secrets.yaml").read_text(encoding="utf-8"))
    door, entry = lab["endpoints"]["kafka"], lab["options"]["kafka"]
    settings = {
        "bootstrap.servers": f"{door['host']}:{door['port']}",
        "security.protocol": entry["security_protocol"],
        "sasl.mechanism": entry["mechanism"],
        "sasl.username": entry["admin"],
        "sasl.password": secrets[f"kafka_{entry['admin']}"],
    }
    consumer = Consumer(
        {**settings, "group.id": "drill-look", "isolation.level": "read_committed", "enable.partition.eof": True}
    )

    def read(topic: str) -> list[dict[str, Any]]:
        place = TopicPartition(topic, 0, 0)
        consumer.assign([place])
        rows, end = [], time.monotonic() + 60
        while time.monotonic() < end:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                break  # the end of what is committed
            rows.append(json.loads(message.value()))
        return rows

    if verb in {"prepare", "remove"}:
        admin = AdminClient(settings)
        there = set(admin.list_topics(timeout=20).topics) & {NUMBERS, COPIES}
        for done in (admin.delete_topics(list(there)) if there else {}).values():
            done.result(timeout=20)
        end = time.monotonic() + 30
        while set(admin.list_topics(timeout=20).topics) & {NUMBERS, COPIES} and time.monotonic() < end:
            time.sleep(0.5)
        if verb == "prepare":
            for done in admin.create_topics([NewTopic(NUMBERS, 1), NewTopic(COPIES, 1)]).values():
                done.result(timeout=20)
        return {"topics": sorted(there)}
    if verb == "widen":
        first, count, keys = (int(word) for word in words)
        producer = Producer({**settings, "enable.idempotence": True, "linger.ms": 20})
        for number in range(first, first + count):
            # A step that has no common divisor with the keys visits all of them, far apart.
            producer.produce(NUMBERS, json.dumps({"k": f"wide-{number * 7919 % keys}", "n": 1}).encode())
            producer.poll(0)
        assert producer.flush(60) == 0
        return {"produced": first + count}
    if verb == "produce":
        count, rate = int(words[0]), int(words[1])
        first = consumer.get_watermark_offsets(TopicPartition(NUMBERS, 0), timeout=20)[1]
        producer = Producer({**settings, "enable.idempotence": True, "linger.ms": 20})
        begun = time.monotonic()
        for number in range(first, first + count):
            producer.produce(NUMBERS, json.dumps({"k": f"key-{number % KEYS}", "n": number}).encode())
            producer.poll(0)
            if rate and (ahead := (number - first) / rate - (time.monotonic() - begun)) > 0:
                time.sleep(ahead)
        assert producer.flush(60) == 0
        return {"produced": first + count}
    if verb == "poison":
        producer = Producer(settings)
        producer.produce(NUMBERS, b"no json")
        assert producer.flush(60) == 0
        return {}
    copies = [row["n"] for row in read(COPIES)]
    return {"copies": len(copies), "distinct": len(set(copies)), "total": sum(copies)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(topics_program(*sys.argv[1:])) + "\n")
