"""docs/schedulers.md describes the schedulers that there are."""

from __future__ import annotations

import re
from pathlib import Path

from configs.compose import CONFIG_DIR
from sim_core.scheduling import SCHEDULERS
from sim_core.scheduling.base import SplitScheduler
from sim_core.scheduling.mixed_pool import MixedPoolOptions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "schedulers.md"
FILES = CONFIG_DIR / "orchestrator_repo" / "schedulers"


def test_the_table_names_each_scheduler_once_and_those_that_split_phases_last() -> None:
    named = re.findall(r"^\| `(\w+)` \| \S.* \| \S.* \|$", PAGE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(SCHEDULERS)
    split = [issubclass(SCHEDULERS[name], SplitScheduler) for name in named]
    assert split == sorted(split)


def test_the_page_names_each_file_of_settings_and_the_options_of_schedulers() -> None:
    words = set(re.findall(r"`(\w+)`", PAGE.read_text()))
    assert {path.stem for path in FILES.glob("*.yaml")} <= words
    assert set(MixedPoolOptions.__dataclass_fields__) <= words
