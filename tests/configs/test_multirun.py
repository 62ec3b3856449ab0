"""When Hydra is let look for its mode, which takes composing everything once more."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra

from configs.compose import CONFIG_DIR
from configs.multirun import mode_looked_for_where_it_may_be
from configs.resolvers import register_resolvers

LOOKS = Hydra.get_mode


def looks(*arguments: str) -> bool:
    with mode_looked_for_where_it_may_be(arguments):
        return Hydra.get_mode is LOOKS


@pytest.mark.parametrize(
    "argument",
    ["hydra.mode=MULTIRUN", "++hydra.mode=RUN", "hydra={mode: MULTIRUN}", "+experiment=traces", "--config-dir=mine"],
)
def test_an_argument_that_may_set_the_mode_lets_hydra_look_for_it(argument: str) -> None:
    assert looks("cluster=half_half", argument)
    assert Hydra.get_mode is LOOKS


def test_without_one_hydra_does_not_look() -> None:
    assert not looks("cluster=half_half", "+cluster.more=1", "seed=0,1", "--multirun", "hydra.run.dir=/tmp/x")
    assert Hydra.get_mode is LOOKS


def test_no_choice_of_the_groups_that_config_yaml_names_sets_the_mode() -> None:
    register_resolvers()
    others = {CONFIG_DIR, CONFIG_DIR / "experiment"}
    texts = [path.read_text() for path in CONFIG_DIR.rglob("*.yaml") if path.parent not in others]
    assert len(texts) > 30
    assert not [text for text in texts if "hydra:" in text]
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        assert compose("config", return_hydra_config=True).hydra.mode is None
