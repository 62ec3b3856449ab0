"""One run, or several: `python -m sim_core [--multirun] [overrides]`.

Hydra reads the configuration, SplitwiseSim's files come out; with `tracking=mlflow` the results reach MLflow too.
"""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from configs.address import check_answers
from configs.compose import CONFIG_DIR, Composer, register_resolvers, resolve
from configs.machines import cost_and_power, provisioned_watts, read_machines
from configs.multirun import kept_returns, mode_looked_for_where_it_may_be, runs_of
from configs.texts import TextSettings
from sim_core.config import spec_from_config
from sim_core.errors import InvariantError, SimError
from sim_core.section import Section
from sim_core.simulation import Simulation
from sim_core.spec import SimSpec
from sim_core.trace import Trace
from sim_core.version import content_key
from sweep.single.debug import debug_outputs
from sweep.single.leftovers import remove_unused
from sweep.single.summary import one_line_summary, text_summary
from sync.files.perfetto import options_from_config, power_from_config
from sync.files.splitwisesim import write_outputs
from sync.results.measure import MeasuredRun, measure
from traces import workload
from traces.reader import TraceNote
from traces.workload import TraceRef

if TYPE_CHECKING:
    from sync.results.outcome import Outcome

ROOT = CONFIG_DIR.parent  # where relative paths in a configuration start
LAUNCHERS = ("ray", "joblib")  # whose errors are about processes and machines, not about a run
RAY_ADDRESS = "hydra.launcher.ray.init.address="
# Ray reads these when it is imported: no statistics sent, and no warning about GPUs that nobody asked for.
QUIET_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass(frozen=True)
class Ended:
    """What became of one run, as plain values: the process that did it tells the one that started it."""

    folder: str = ""
    line: str = ""
    text: str = ""
    error: str = ""  # the user's to mend, in one line
    bug: str = ""  # ours: a traceback
    overrides: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tracking: tuple[str, str] | None = None  # the sink's name and the experiment's
    outcome: Outcome | None = None


class Job:
    """What Hydra calls for each run, in this process or in one of a launcher's. One run's failure is its own."""

    def __call__(self, cfg: DictConfig) -> Ended:
        """Do the run. Nothing is raised, nor printed: a launcher may be far from the screen."""
        told: dict[str, Any] = {"overrides": tuple(HydraConfig.get().overrides.task)}
        with warnings.catch_warnings(record=True) as noted:
            try:
                told |= run(cfg)
            except InvariantError:
                told["bug"] = traceback.format_exc()
            except SimError as error:
                told["error"] = str(error)
                if HydraConfig.get().mode == RunMode.RUN:  # of several, another may be making its own folder there
                    remove_unused(Path(HydraConfig.get().runtime.output_dir))
            except Exception:
                told["bug"] = traceback.format_exc()
        notes = tuple(str(warning.message) for warning in noted if issubclass(warning.category, TraceNote))
        heard = tuple(str(warning.message) for warning in noted if not issubclass(warning.category, TraceNote))
        return Ended(**told, warnings=heard, notes=notes)

    def __reduce__(self) -> tuple[Any, ...]:
        """Arriving in another process, it makes the resolvers known that even the output folder's name may need."""
        return _arrived_job, ()


def _arrived_job() -> Job:
    register_resolvers()
    return Job()


def run(cfg: DictConfig) -> dict[str, Any]:
    """Simulate what `cfg` says and write its files into Hydra's output folder; fields of an `Ended`."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    resolved = resolve(cfg)
    spec = spec_from_config(resolved, ROOT)
    ref = workload.ref_from_config(resolved, spec.seed)
    tracking = _tracking(resolved)
    picture = options_from_config(resolved), power_from_config(resolved)
    is_debug = Section(resolved, "").boolean("debug")
    trace = workload.load(ref, ROOT)
    simulation = Simulation(spec)
    written = debug_outputs(folder, simulation, trace, *picture) if is_debug else nullcontext()
    if not gc.get_freeze_count():
        gc.freeze()  # what Hydra and the imports left behind is not to be searched for garbage when results are written
    began_wall, began = time.perf_counter(), time.process_time()
    with written:
        result = measure(simulation.run(trace), spec)
    cpu_s, wall_s = time.process_time() - began, time.perf_counter() - began_wall
    write_outputs(result, folder)
    return {
        "folder": str(folder),
        "line": one_line_summary(result),
        "text": text_summary(spec, trace, result, cpu_s, str(folder)),
        "tracking": tracking,
        "outcome": _outcome(spec, ref, trace, resolved, result, (cpu_s, wall_s)) if tracking else None,
    }


def _tracking(resolved: dict[str, Any]) -> tuple[str, str] | None:
    """Where the results are to go besides the files. Refused here, before anything runs, where that is nowhere."""
    said = Section(resolved.get("tracking") or {}, "tracking")
    if not said.has("sink") or (sink := said.text("sink")) == "none":
        return None
    from sweep.single.outcome import SingleRuns

    chosen = sink, said.text("experiment") if said.has("experiment") else "single-runs"
    SingleRuns(*chosen, command="")
    return chosen


def _outcome(
    spec: SimSpec,
    ref: TraceRef,
    trace: Trace,
    resolved: dict[str, Any],
    result: MeasuredRun,
    times_s: tuple[float, float],
) -> Outcome:
    from sweep.experiment.point import deciding_code
    from sweep.single.outcome import single_outcome

    identity = workload.identity(ref, ROOT)
    counts, figures = spec.machine_counts(), read_machines(ROOT)
    overrides = [text for text in HydraConfig.get().overrides.task if not text.startswith("tracking")]
    return single_outcome(
        spec,
        trace,
        result,
        key=content_key(spec, identity, deciding_code().digest_for(spec)),
        overrides=overrides,
        trace_identity=identity,
        workload=workload.workload_name(ref, ROOT),
        rate=workload.rate_per_s(ref, ROOT),
        provisioned=(*cost_and_power(counts, figures), provisioned_watts(counts, figures)),
        config_yaml=OmegaConf.to_yaml(OmegaConf.create(resolved)),
        times_s=times_s,
    )


def main() -> int:
    """Run Hydra's command line. The exit status: 2 for the user's mistakes, of which each is one line; 1 for ours."""
    warnings.showwarning = _show_warning
    # Ours adds to the launcher's own settings of the same name, which is how Hydra 1.0 spelled that.
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/ray' is validated against ConfigStore schema")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors through to here, instead of Hydra's own report
    for name, value in QUIET_RAY.items():
        os.environ.setdefault(name, value)
    register_resolvers()
    texts = TextSettings(CONFIG_DIR)
    sys.argv[1:] = [texts.as_written(argument) for argument in sys.argv[1:]]  # from which Hydra takes its overrides
    try:
        for argument in sys.argv[1:]:
            if argument.lstrip("+").startswith(RAY_ADDRESS):
                check_answers(argument.partition("=")[2], RAY_ADDRESS.rstrip("="))
        with mode_looked_for_where_it_may_be(sys.argv[1:]), kept_returns() as returns:
            hydra.main(config_path=str(CONFIG_DIR), config_name="config", version_base=None)(Job())()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {_mistake() or _one_line(error)}", file=sys.stderr)
        return 2
    except (SimError, ConnectionError) as error:  # the latter: no such Ray cluster
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # Hydra's own files
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in LAUNCHERS:
            # Hydra answers odd input with whatever it stumbles over, unfit options with a ValueError
            mistake = _one_line(error) if str(error).startswith("Only one of --") else _mistake()
            if mistake is None:
                raise
            print(f"error: {mistake}", file=sys.stderr)
            return 2
        lines = str(error).strip().splitlines() or [""]
        print(f"error: the launcher gave up: {type(error).__name__}: {lines[-1].strip()}", file=sys.stderr)
        return 1
    several = any(job.hydra_cfg is not None and job.hydra_cfg.hydra.mode == RunMode.MULTIRUN for job in returns)
    return _report([job.return_value for job in returns], several)


def _report(ended: Sequence[Ended], several: bool) -> int:
    """Say what became of the runs, hand their results over, and return the exit status."""
    try:
        _show(ended, several)
        sys.stdout.flush()
    except BrokenPipeError:  # `... | head` has seen enough; the results are still to be handed over
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    missed = _deliver([one for one in ended if one.tracking])
    if missed or any(one.bug for one in ended):
        return 1
    return 2 if any(one.error for one in ended) else 0


def _show(ended: Sequence[Ended], several: bool) -> None:
    common = set(ended[0].overrides).intersection(*(one.overrides for one in ended)) if len(ended) > 1 else set()
    for number, one in enumerate(ended):
        own = " ".join(override for override in one.overrides if override not in common)
        place = f"#{number} {own}: " if several else ""
        for warning in one.warnings:
            print(f"warning: {place}{warning}", file=sys.stderr)
        for note in one.notes:
            print(f"note: {place}{note}", file=sys.stderr)
        if one.bug:
            print(f"{place}{one.bug}".rstrip(), file=sys.stderr)
        elif one.error:
            print(f"error: {place}{one.error}", file=sys.stderr)
        else:
            print(f"{place}{one.line}; {_shown(one.folder)}" if several else one.text)


def _deliver(ended: Sequence[Ended]) -> bool:
    """Hand outcomes to their sinks, here, in the one process that knows where they are. Whether some are missing."""
    missed = False
    for tracking in dict.fromkeys(one.tracking for one in ended if one.tracking):
        from sweep.single.outcome import SingleRuns

        runs = SingleRuns(*tracking, command=" ".join(["python -m sim_core", *sys.argv[1:]]))
        outcomes = [one.outcome for one in ended if one.tracking == tracking and one.outcome]
        if problem := runs.deliver(outcomes):
            missed = True
            print(f"error: {tracking[0]} did not take the results: {problem} (the files are there)", file=sys.stderr)
        else:
            print(f"{tracking[0]:10} {len(outcomes)} in the experiment {tracking[1]}{runs.seen_by()}")
    return missed


def _mistake() -> str | None:
    """What is wrong with the overrides on the command line, with the nearest valid name; None: nothing is."""
    overrides = get_args_parser().parse_args().overrides
    composer = Composer()
    try:
        for one in (runs := _runs_of(overrides)):
            composer.resolve(cfg := composer.compose(one))
            _ = cfg.output_dir
    except SimError as better:
        return str(better)
    except OmegaConfBaseException as unclear:
        return f"output_dir: {str(unclear).splitlines()[0]}; choose another name for the folder of results"
    if len(runs) > 1 and not {"-m", "--multirun"}.intersection(sys.argv):
        return f"these are {len(runs)} runs: add --multirun"
    return None


def _runs_of(overrides: list[str]) -> list[tuple[str, ...]]:
    try:
        return runs_of(overrides)
    except SimError:
        raise
    except Exception:  # one of them cannot even be read
        return [tuple(overrides)]


def _shown(folder: str) -> str:
    path = Path(folder)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else folder


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
