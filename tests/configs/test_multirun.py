"""When Hydra is let look for its mode, which takes composing everything once more, and for plugins, which takes
importing them."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.plugins.launcher import Launcher

from configs.compose import CONFIG_DIR
from configs.multirun import mode_looked_for_where_it_may_be, plugins_looked_for_where_they_may_be
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


def launchers(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[set[str], set[str]]:
    """The packages of launchers that Hydra knows with these arguments, in a process of its own, and those after it."""
    monkeypatch.setattr(Singleton, "_instances", {})
    with plugins_looked_for_where_they_may_be(arguments):
        within = {plugin.__module__.partition(".")[0] for plugin in Plugins.instance().discover(Launcher)}
    return within, {plugin.__module__.partition(".")[0] for plugin in Plugins.instance().discover(Launcher)}


@pytest.mark.parametrize(
    "argument",
    ["hydra/launcher=ray", "+hydra/launcher=ray", "hydra.mode=MULTIRUN", "hydra.launcher.n_jobs=2",
     "hydra.searchpath=[file://mine]", "+experiment=traces", "--hydra-help", "--info=plugins"],
)  # fmt: skip
def test_an_argument_that_may_name_a_plugin_lets_hydra_look_for_all(
    argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    within, after = launchers(monkeypatch, "seed=0,1", argument)
    assert within == after == {"hydra", "hydra_plugins"}


def test_without_one_hydra_knows_its_own_plugins_until_the_run_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    within, after = launchers(monkeypatch, "cluster=half_half", "seed=0,1", "--multirun", "hydra.run.dir=/tmp/x")
    assert within == {"hydra"}
    assert after == {"hydra", "hydra_plugins"}
