"""What Hydra runs for each run of `python -m sim_core`: the simulation and its files."""

from __future__ import annotations

import gc
import shutil
import time
import traceback
import warnings
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from configs.compose import CONFIG_DIR, resolve
from configs.fitting import fits_named
from configs.gpu_power import PowerTable, power_from_config
from configs.resolvers import register_resolvers
from configs.silicon import grids
from sim_core.config import spec_from_config
from sim_core.errors import InvariantError, SimError
from sim_core.section import Section
from sim_core.simulation import Simulation, workload_of
from sim_core.spec import PluginSpec, SimSpec
from sync.analysis.iteration_times import CONSTANTS_WARNING_OF_A_RUN, are_constants
from sync.files.perfetto.options import options_from_config
from traces import workload
from traces.reader import TraceNote

if TYPE_CHECKING:
    from sync.results.outcome import Outcome  # needs packages that a run without tracking does not

ROOT = CONFIG_DIR.parent  # relative paths in a configuration start here


@dataclass(frozen=True)
class EndedRun:
    """What became of one run, as plain values that travel from the process that ran it to the one that reports it."""

    folder: str = ""
    line: str = ""  # the summary of a run among several
    text: str = ""  # the summary of a run alone
    has_constants: bool = False  # iteration times are no hardware's
    error: str = ""  # a mistake of the user, in one line
    bug: str = ""  # a traceback
    overrides: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tracking: tuple[str, str] | None = None  # the names of the sink and of its experiment
    outcome: Outcome | None = None


class Job:
    """The function that Hydra calls for each run, in this process or in one of a launcher's. `resolvers` are those that
    the command line names, and may use beside ours, `plugins` those whose policies it may choose."""

    def __init__(self, resolvers: tuple[str, ...] = (), plugins: tuple[PluginSpec, ...] = ()) -> None:
        self._resolvers, self._plugins = resolvers, plugins

    def __call__(self, cfg: DictConfig) -> EndedRun:
        """Do the run. Raises nothing, since other runs must go on. Among several runs it prints nothing, since a
        launcher may be on another machine."""
        with warnings.catch_warnings(record=True) as caught:
            try:
                ended = run(cfg, self._resolvers, self._plugins)
            except SimError as error:
                if isinstance(error, InvariantError):
                    ended = EndedRun(bug=traceback.format_exc())
                else:
                    ended = EndedRun(error=str(error))
                    if HydraConfig.get().mode == RunMode.RUN:  # in a multirun, another run may be making its folder
                        remove_unused(Path(HydraConfig.get().runtime.output_dir))
            except Exception:
                ended = EndedRun(bug=traceback.format_exc())
        notes = tuple(str(entry.message) for entry in caught if issubclass(entry.category, TraceNote))
        others = tuple(str(entry.message) for entry in caught if not issubclass(entry.category, TraceNote))
        overrides = tuple(HydraConfig.get().overrides.task)
        return replace(ended, overrides=overrides, warnings=others, notes=notes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Unpickling in another process registers the resolvers, which even the output folder's name may need."""
        return _unpickled_job, (self._resolvers, self._plugins)


def _unpickled_job(resolvers: tuple[str, ...], plugins: tuple[PluginSpec, ...]) -> Job:
    register_resolvers()
    return Job(resolvers, plugins)


def run(cfg: DictConfig, resolvers: tuple[str, ...], plugins: tuple[PluginSpec, ...]) -> EndedRun:
    """Simulate what `cfg` says and write SplitwiseSim's files into Hydra's output folder. Raises SimError. `resolvers`
    are known beside ours, and policies of `plugins` beside the project's."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    config = resolve(cfg, resolvers, plugins)
    spec = spec_from_config(config, ROOT, plugins=plugins, grids=grids)
    ref = workload.ref_from_config(config, spec.seed)
    tracking = _tracking(config)
    perfetto = options_from_config(config), power_from_config(config)
    power = PowerTable(ROOT).of_spec(spec, config)
    is_debug = Section(config, "").boolean("debug")
    trace = workload.load(ref, ROOT)
    with fits_named(config):
        simulation = Simulation(spec)
    submitted = workload_of(trace)
    _say_constants(spec)
    # only here: these load numpy, which a run that is refused does not need
    from sweep.single.summary import one_line_summary, text_summary
    from sync.files.splitwisesim import write_outputs
    from sync.results.energy import energy_figures, gpu_rows
    from sync.results.measure import measure, pick

    if not gc.get_freeze_count():
        gc.freeze()  # keeps the garbage collector from searching what Hydra and the imports left
    outputs: AbstractContextManager[None] = nullcontext()
    if is_debug:
        from sweep.single.debug import debug_outputs

        outputs = debug_outputs(folder, simulation, trace, *perfetto, submitted.requests().request_id)
    wall_start, cpu_start = time.perf_counter(), time.process_time()
    with outputs:
        result = measure(simulation.serve(submitted, pick), spec)
    cpu_s, wall_s = time.process_time() - cpu_start, time.perf_counter() - wall_start
    write_outputs(result, folder)
    energy = energy_figures(gpu_rows(result, spec, power), result.summary)
    outcome = None
    if tracking:
        from sweep.single.outcome import single_outcome  # needs more packages than a run without tracking

        overrides = [text for text in HydraConfig.get().overrides.task if not text.startswith("tracking")]
        outcome = single_outcome(spec, ref, trace, config, overrides, result, power)
        outcome = replace(outcome, cpu_s=cpu_s, wall_s=wall_s)
    return EndedRun(
        folder=str(folder),
        line=one_line_summary(result),
        text=text_summary(spec, trace, result, cpu_s, str(folder), energy),
        has_constants=are_constants([spec.performance.policy]),
        tracking=tracking,
        outcome=outcome,
    )


def _say_constants(spec: SimSpec) -> None:
    """Say before the run, and so in front of its summary, where iteration times are no hardware's. Among several runs
    their list says it."""
    if are_constants([spec.performance.policy]) and HydraConfig.get().mode == RunMode.RUN:
        with suppress(BrokenPipeError):  # `... | head` may be gone; `show` meets it, too
            print(CONSTANTS_WARNING_OF_A_RUN)


def _tracking(config: dict[str, Any]) -> tuple[str, str] | None:
    """The names of the sink and of its experiment; None for no tracking. Raises SpecError for unusable ones."""
    section = Section(config.get("tracking") or {}, "tracking")
    if not section.has("sink") or (sink := section.text("sink")) == "none":
        return None
    from sweep.single.outcome import destination

    names = sink, section.text("experiment") if section.has("experiment") else "single-runs"
    destination(*names)
    return names


def remove_unused(folder: Path) -> None:
    """Remove the output folder of a refused run, and the folders above it that become empty.

    Only below the working folder, and only if the folder holds nothing but what Hydra wrote before the run.
    """
    working_folder = Path.cwd()
    if working_folder not in folder.parents or not all(_is_hydras(path) for path in folder.iterdir()):
        return
    shutil.rmtree(folder)
    for parent in folder.parents:
        if parent == working_folder or any(parent.iterdir()):
            return
        parent.rmdir()


def _is_hydras(path: Path) -> bool:
    return path.name == ".hydra" or (path.suffix == ".log" and path.stat().st_size == 0)
