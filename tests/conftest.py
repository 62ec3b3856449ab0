"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the tests' own, in this process and those that it starts; not the user's."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("LLM_CLUSTER_SIM_CACHE")
    os.environ["LLM_CLUSTER_SIM_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["LLM_CLUSTER_SIM_CACHE"]
    else:
        os.environ["LLM_CLUSTER_SIM_CACHE"] = before
