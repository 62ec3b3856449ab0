"""Settings that come from a file: of an experiment, or of the results of a sweep, which somebody else may have written.

The command line belongs to the person at it, and may use all of Hydra. A file may only set what decides a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from configs.compose import CONFIG_DIR, config_loader
from configs.groups import check_choice, group_options
from configs.texts import TextSettings
from sim_core.errors import SpecError
from sim_core.spec import PluginSpec

# Settings of `python -m sim_core` that neither a sweep nor a file has, and what to do instead.
SINGLE_RUNS = {
    "hydra": "is about how single runs are started; leave it out",
    "output_dir": "is where single runs write; the results of a sweep are kept below --results",
    "debug": "is for single runs; --point N --debug writes what every instance did",
    "tracking": "is for single runs; --sink says where the results of a sweep go",
}
PARAMETERS_OF = "experiment"  # the group whose files refer to names that the configuration does not have
MOST_OVERRIDES, LONGEST_OVERRIDE = 1000, 100_000  # of one run; characters


def own_settings(overrides: Iterable[object], plugins: Sequence[PluginSpec] = ()) -> list[str]:
    """The overrides of one run, as results keep them, if each is a setting of ours with one value; they may choose
    policies of `plugins`.

    Raises SpecError for what only a person may say on a command line (`hydra.*` in any spelling, the folder of results,
    tracking), for a package, for several values, for a group's value that is not the name of one of its files, and for
    text that is no override. Values are not resolved here: compose them with `configs.compose.Composer`.
    """
    texts = list(overrides)
    if len(texts) > MOST_OVERRIDES:
        raise SpecError(f"{len(texts)} overrides are more than {MOST_OVERRIDES}", key="overrides")
    parser, loader, settings = OverridesParser.create(), config_loader(plugins), TextSettings(CONFIG_DIR)
    checked: list[tuple[str, Override]] = []
    for text in texts:
        if not isinstance(text, str) or len(text) > LONGEST_OVERRIDE or not text.isprintable():
            raise SpecError("not an override such as seed=1, on one line", key="overrides", value=text)
        try:
            override = parser.parse_override(text)
        except Exception as error:  # Hydra answers odd input with exceptions of any kind
            raise SpecError("not an override such as seed=1", key="overrides", value=text) from error
        checked.append((text, override))
    parameters = any(override.key_or_group == PARAMETERS_OF for _, override in checked)
    for text, override in checked:
        check_key(override.key_or_group, override.package)
        check_known(override.key_or_group, settings, parameters=parameters)
        if override.is_sweep_override():
            raise SpecError("one value is needed here, not several", key=override.key_or_group, value=text)
        options = group_options(loader, override.key_or_group)
        if options and not override.is_delete():
            check_choice(override, options)
    return [text for text, _ in checked]


def check_key(key: str, package: str | None) -> None:
    """Raise SpecError for a key that only a command line of single runs may have."""
    if package is not None:
        reason = "a package is for Hydra's own command line; leave out what follows the @"
        raise SpecError(reason, key=f"{key}@{package}")
    first = key.replace("/", ".").split(".")[0]
    if first in SINGLE_RUNS:
        raise SpecError(SINGLE_RUNS[first], key=key)


def check_known(key: str, settings: TextSettings, *, parameters: bool) -> None:
    """Raise SpecError for a key that is no setting. `parameters`: whether a file of `configs/experiment` is chosen,
    whose parameters (`+sweep=3`) may be set."""
    if not key or not (settings.is_setting(key) or (parameters and key.isidentifier())):
        raise SpecError("is no setting of a run", key=key or "an empty key")
