"""The command line `python -m sim_core [--multirun] [overrides]`: runs, or a list of what they may name.

Hydra reads the configuration and starts a `Job` for each run; `sweep.single.show` shows and delivers the results.
"""

from __future__ import annotations

import os
import platform
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from configs.address import check_answers
from configs.command_line import PLUGIN, Parser, taken
from configs.compose import CONFIG_DIR, Composer, plugin_sections
from configs.groups import only_checked_loaders
from configs.multirun import (
    kept_returns,
    mode_looked_for_where_it_may_be,
    plugins_looked_for_where_they_may_be,
    runs_of,
)
from configs.resolvers import only_our_resolvers, register_resolvers, resolvers_in
from configs.texts import TextSettings
from sim_core.compilation import form
from sim_core.errors import SimError, SpecError, nearest
from sim_core.limits import OPTION as ALLOW
from sim_core.limits import allowances, allowed
from sim_core.spec import PluginSpec
from sim_core.version import __version__
from sweep.launch.ray_environment import LOOPBACK_ALONE, QUIET
from sweep.single.job import Job
from sweep.single.show import show

LISTS = ("models", "machines")  # words that list what a run may name
CALIBRATE, STEPS = "calibrate", "steps"  # words that make step times of what a user measured
LAUNCHERS = ("ray", "joblib")  # packages whose errors are about processes and machines, not about a run
HYDRAS_RESOLVERS = ("hydra", "now", "python_version")  # that Hydra's own settings use
RAY_ADDRESS = "hydra.launcher.ray.init.address="
# Read when packages are imported. numpy: no threads for linear algebra, which runs do not use (0.06 s of the 0.8 s of
# CPU time of a short run).
ENVIRONMENT = {**QUIET, **{"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}}


def main() -> int:
    """Run the command line. The exit status is 2 for mistakes of the user, each told in one line, and 1 for bugs."""
    if "--version" in sys.argv[1:]:  # Hydra's option of this name would say its own
        print(f"sim_core {__version__}, {form().text}, on Python {platform.python_version()}")
        return 0
    word = sys.argv[1] if sys.argv[1:] else ""
    if word in LISTS:
        from sweep.single.listing import list_  # here: not needed at every start

        try:
            return list_(word, sys.argv[2:])
        except SimError as error:
            return _refused(error)
    if word in (CALIBRATE, STEPS):
        return _measurements(word, sys.argv[2:])
    if word.isidentifier() and (meant := nearest(word, (*LISTS, CALIBRATE, STEPS))):
        return _refused(SpecError(f"cannot read {word!r}: did you mean {meant!r}? An override is key=value"))
    try:  # Hydra knows no options of ours
        sys.argv[1:], limits = taken(sys.argv[1:], ALLOW)
        sys.argv[1:], files = taken(sys.argv[1:], PLUGIN)
        with allowed(allowances(limits)):
            return _run(_plugins(files))
    except SimError as error:
        return _refused(error)


def _measurements(word: str, arguments: Sequence[str]) -> int:
    """Make step times of what a user measured; returns the exit status."""
    from sweep.calibrate.command import calibrate  # here: not needed at every start
    from sweep.calibrate.steps import steps

    warnings.showwarning = _show_warning
    try:
        return calibrate(arguments) if word == CALIBRATE else steps(arguments)
    except SimError as error:
        return _refused(error)
    except KeyboardInterrupt:
        return 130


def _plugins(files: Sequence[str]) -> tuple[PluginSpec, ...]:
    """The plugins in some files, which standard error names before their code runs."""
    if not files:
        return ()
    from sim_core.plugins import read_plugins  # here: not needed at every start

    return tuple(read_plugins(map(Path, files), lambda line: print(line, file=sys.stderr)).values())


def _run(plugins: tuple[PluginSpec, ...]) -> int:
    Parser(prog="python -m sim_core", parents=[get_args_parser()], add_help=False).parse_args()  # Hydra's own says less
    warnings.showwarning = _show_warning
    # Our settings of Hydra's Ray launcher have its name and extend its own, which Hydra 1.1 deprecated.
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/ray' is validated against ConfigStore schema")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors are reported here, not by Hydra
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    register_resolvers()
    texts = TextSettings(CONFIG_DIR)
    sys.argv[1:] = [texts.as_written(argument) for argument in sys.argv[1:]]  # Hydra reads its overrides there
    try:
        addresses = [typed.partition("=")[2] for typed in sys.argv[1:] if typed.lstrip("+").startswith(RAY_ADDRESS)]
        for address in addresses:
            check_answers(address, RAY_ADDRESS.rstrip("="))
        if not addresses:  # hydra/launcher=ray starts a cluster of its own
            os.environ.update(LOOPBACK_ALONE)
        named = resolvers_in(sys.argv[1:])
        with _hydras_own(named, plugins), kept_returns() as returns:
            hydra.main(config_path=str(CONFIG_DIR), config_name="config", version_base=None)(
                Job(tuple(named), plugins)
            )()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _refused(error, plugins)
    is_multirun = any(job.hydra_cfg is not None and job.hydra_cfg.hydra.mode == RunMode.MULTIRUN for job in returns)
    return show([job.return_value for job in returns], is_multirun)


@contextmanager
def _hydras_own(named: set[str], plugins: Sequence[PluginSpec]) -> Iterator[None]:
    """Within this block Hydra reads only files that a group has and the sections of `plugins`, and resolves
    `${now:...}` and what it needs besides. All resolvers of OmegaConf are there if the command line has settings of
    Hydra's own, as launchers need some. What the command line cannot have set is not looked for."""
    with ExitStack() as stack:
        stack.enter_context(only_checked_loaders(plugin_sections(plugins)))
        stack.enter_context(mode_looked_for_where_it_may_be(sys.argv[1:]))
        stack.enter_context(plugins_looked_for_where_they_may_be(sys.argv[1:]))
        if not any(argument.lstrip("+~").startswith("hydra") for argument in sys.argv[1:]):
            stack.enter_context(only_our_resolvers({*HYDRAS_RESOLVERS, *named}))
        yield


def _refused(error: Exception, plugins: Sequence[PluginSpec] = ()) -> int:
    """Report in one line why Hydra or its launcher started no runs; returns the exit status. Raises what is a bug."""
    status = 2
    if isinstance(error, SimError | ConnectionError):  # ConnectionError: no Ray cluster answers
        reason = _one_line(error)
    elif isinstance(error, HydraException | OmegaConfBaseException):
        reason = _mistake(plugins) or _one_line(error)
    elif isinstance(error, OSError) and error.filename is not None:  # one of Hydra's own files
        reason = f"{error.filename}: {error.strerror}"
    elif type(error).__module__.partition(".")[0] in LAUNCHERS:
        lines = str(error).strip().splitlines() or [""]
        status, reason = 1, f"the launcher gave up: {type(error).__name__}: {lines[-1].strip()}"
    elif str(error).startswith("Only one of --"):  # Hydra raises a ValueError for options that exclude one another
        reason = _one_line(error)
    elif isinstance(error, OSError) or (mistake := _mistake(plugins)) is None:
        raise error
    else:
        reason = mistake
    print(f"error: {reason}", file=sys.stderr)
    return status


def _mistake(plugins: Sequence[PluginSpec]) -> str | None:
    """What is wrong with the overrides on the command line, with the nearest valid name; None if nothing is.

    Hydra answers odd input with exceptions of any kind, so each run is composed here once more to find the mistake.
    """
    overrides = get_args_parser().parse_args().overrides
    composer = Composer(resolvers=resolvers_in(overrides), plugins=plugins)
    try:
        runs = _runs_of(overrides, plugins)
        for run_overrides in runs:
            cfg = composer.compose(run_overrides)
            composer.resolve(cfg)
            _ = cfg.output_dir
    except SimError as error:
        return str(error)
    except OmegaConfBaseException as error:
        return f"output_dir: {str(error).splitlines()[0]}; choose another name for the folder of results"
    if len(runs) > 1 and not {"-m", "--multirun"}.intersection(sys.argv):
        return f"these are {len(runs)} runs: add --multirun"
    return None


def _runs_of(overrides: list[str], plugins: Sequence[PluginSpec]) -> list[tuple[str, ...]]:
    try:
        return runs_of(overrides, plugins)
    except SimError:
        raise
    except Exception:  # an override cannot be read; composing them says which
        return [tuple(overrides)]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
