"""The story that several suites look at: Spark goes through it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from shopstory import Story


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Story:
    """Two days of a shop, all of them published; tests leave the published rows as they are."""
    from shopstory import tell  # here: it wants Spark

    return tell(tmp_path_factory.mktemp("batch"), spark)
