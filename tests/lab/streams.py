"""What drills do to a lab with streams: run its programs as its user, and ask what came out."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.lab.conftest import LabUnderTest

from quintet.flink.rest import FlinkRest

#: Bound of one program, in seconds.
CAPTURE = 600
#: Seconds until Flink answers with measures that it has gathered since the first question.
GATHERED = 12
JOB = "lakehouse/shop_to_silver"


class Streams:
    """Programs of a lab with streams, and its answers."""

    def __init__(self, lab: LabUnderTest) -> None:
        self.under_test = lab

    def python(self, *arguments: str, given: str | None = None, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run Python of the streaming environment as the lab's user."""
        done = self.start(*arguments).communicate(given, timeout=CAPTURE)
        assert self.last.returncode == expect, f"{arguments} ended with {self.last.returncode}: {done[0][-4000:]}"
        return subprocess.CompletedProcess(arguments, expect, done[0])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it."""
        lab = self.under_test.lab
        user = (
            ["setpriv", "--reuid", lab.user, "--regid", lab.user, "--init-groups", "--"] if lab.user != "root" else []
        )
        self.last = subprocess.Popen(
            [*user, str(lab.environment("streaming").python), *arguments],
            cwd=lab.path("home"),
            env={**self.under_test.environment, "QUINTET_LAB": str(lab.file), "HOME": str(lab.path("home"))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self.last

    def operate(self, *words: str) -> dict[str, Any]:
        """Result of a verb of `quintet.lakehouse.shop.operate`."""
        return result(self.python("-m", "quintet.lakehouse.shop.operate", *words).stdout)

    def is_capturing(self) -> bool:
        """Whether the connector and its task run; a door that is closed says no."""
        told = self.start("-m", "quintet.lakehouse.shop.operate", "show").communicate(timeout=CAPTURE)[0]
        return self.last.returncode == 0 and result(told)["tasks"] == ["RUNNING"]

    def call(self, function: str, **arguments: Any) -> Any:
        """Result of a function."""
        return result(self.python("-m", "quintet.call", function, given=json.dumps(arguments)).stdout)

    def script(self, text: str) -> Any:
        """What a few lines of Python print as `RESULT {json}`; they have `lab` and `SHOP`."""
        head = (
            "import json\nfrom quintet.settings import load_lab\nfrom quintet.catalogue.shop import SHOP\n"
            "from quintet.cdc.database import connect\nlab = load_lab()\n"
        )
        # By standard input: a large record is longer than an argument may be.
        return result(self.python("-", given=head + text).stdout)

    def statements(self, *statements: str) -> None:
        """Run statements in the shop's database as its owner, in one transaction."""
        self.script(
            f"with connect(lab, SHOP.database) as shop:\n    for statement in {list(statements)!r}:\n"
            "        shop.execute(statement)\nprint('RESULT {}')"
        )

    def run(self, *options: str, expect: int = 0) -> dict[str, Any]:
        """Outcome of `quintet run lakehouse --cdc`."""
        done = self.under_test.quintet("run", "lakehouse", "--cdc", "--json", *options, expect=expect)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def verify(self) -> None:
        """All checks of `quintet verify lakehouse --cdc` hold."""
        assert self.wrong() == []

    def wrong(self) -> list[dict[str, Any]]:
        """Checks of `quintet verify lakehouse --cdc` that do not hold."""
        done = self.under_test.quintet("verify", "lakehouse", "--cdc", "--json", expect=None)
        return [check for check in json.loads(done.stdout)["checks"] if not check["ok"]]

    def restarts(self) -> int:
        """How often the stream into Iceberg was restarted since it was submitted."""
        with FlinkRest(self.under_test.lab) as rest:
            (found,) = [job for job in rest.jobs() if job.name == JOB and job.is_alive]
            # Asked for the first time after a while, the cluster answers as it knew then, and only gathers anew.
            rest.restarts(found.job_id)
            time.sleep(GATHERED)
            return rest.restarts(found.job_id)

    def send(self, topic: str, *records: tuple[str | None, str | None]) -> list[str]:
        """Send records, one by one; key and value are hexadecimal digits, `same` the key of a record that is there.

        What the broker said of each: an empty text when it took it.
        """
        found: list[str] = self.script(
            "from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition\n"
            "from quintet.streams.clients import client_settings\n"
            f"topic, records, said = {topic!r}, {records!r}, []\n"
            "consumer = Consumer({**client_settings(lab), 'group.id': 'drill'})\n"
            "consumer.assign([TopicPartition(topic, 0, 0)])\nsame = consumer.poll(30).key()\nconsumer.close()\n"
            "producer = Producer(client_settings(lab))\n"
            "for key, value in records:\n"
            "    key = None if key is None else same if key == 'same' else bytes.fromhex(key)\n"
            "    told = lambda error, _: said.append('' if error is None else error.name())\n"
            "    try:\n"
            "        producer.produce(topic, key=key, value=bytes.fromhex(value), on_delivery=told)\n"
            "    except KafkaException as error:\n"
            "        said.append(error.args[0].name())\n"
            "    producer.flush(60)\n"
            "print('RESULT ' + json.dumps(said))"
        )
        return found


def result(output: str) -> Any:
    lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
    assert lines, output[-4000:]
    return json.loads(lines[-1].removeprefix("RESULT "))


def running(lab: LabUnderTest, name: str) -> Callable[[], bool]:
    def look() -> bool:
        services = json.loads(lab.quintet("status", "--json", expect=None).stdout)["services"]
        return any(service["name"] == name and service["state"] == "RUNNING" for service in services)

    return look
