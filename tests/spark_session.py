"""One Spark session with Delta for all tests of a run: the fixture `spark`.

The jars are those of an installed lab: QUINTET_SPARK_JARS names their folder, else that of this machine's lab is
taken. Tests that want Spark are skipped, with the reason, where there are none.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labs import lab_below
from quintet.settings import Lab, default_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


#: The bridge to the JVM drops its loopback connections to the garbage collector, in whatever test that comes by.
_BRIDGE = r"ignore:unclosed <socket\.socket .*raddr=\('127\.0\.0\.1', \d+\)>:ResourceWarning"

#: What a session over a few rows differs in from that of a job: there planning and compiling are nearly all the work.
_FEW_ROWS = {
    "spark.sql.shuffle.partitions": "2",
    # Expressions are interpreted: a test has not enough rows to be worth a class for each of them.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # Plans are not written down for a history server that nobody looks at, ...
    "spark.eventLog.enabled": "false",
    "spark.sql.ui.explainMode": "simple",
    # ... nor is the line of Python noted behind every column.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts Spark, and let the bridge's own warnings pass in a run that does."""
    starting = [item for item in items if "spark" in getattr(item, "fixturenames", ())]
    for item in starting:
        item.add_marker(pytest.mark.spark)
    for item in items if starting else ():
        item.add_marker(pytest.mark.filterwarnings(_BRIDGE))


def spark_jars() -> Path | None:
    """Folder of the Spark jars; None: there is none on this machine."""
    configured = os.environ.get("QUINTET_SPARK_JARS")
    folder = Path(configured) if configured else default_home() / "programs" / "jars" / "spark"
    return folder if any(folder.glob("delta-spark*.jar")) else None


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Session over two cores; the tables of each test lie in the folders of its own lab."""
    from pyspark.sql import SparkSession  # here: suites without the lake's libraries read this file too

    from quintet.lake.spark import configuration

    jars = spark_jars()
    if jars is None:
        pytest.skip("the jars of Spark are not on this machine: install the lab or set QUINTET_SPARK_JARS")
    lab = lab_below(tmp_path_factory.mktemp("spark"), jars=jars)
    with warnings.catch_warnings():
        # Of Spark's own modules, while they start.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"pyspark\.")
        builder = SparkSession.builder
        for name, value in (configuration(lab, "tests") | _FEW_ROWS).items():
            builder = builder.config(name, value)
        running = builder.getOrCreate()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _forgotten_tables(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the session forget the tables of the test: it keeps the plans of each one it has read, for hours."""
    running = request.getfixturevalue("spark") if "spark" in request.fixturenames else None
    yield
    if running is not None:
        running._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


@pytest.fixture
def spark_lab(tmp_path: Path, spark: SparkSession) -> Lab:
    """A lab whose Spark options lead to the jars, with all Delta tables created empty."""
    from quintet.lake.create import create_tables

    lab = lab_below(tmp_path / "lab", jars=spark_jars())
    create_tables(lab, trino=False)
    return lab
