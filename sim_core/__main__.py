"""One run: `python -m sim_core [overrides]`. Hydra reads the configuration, SplitwiseSim's files come out."""

from __future__ import annotations

import gc
import os
import sys
import time
import warnings
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from configs.compose import CONFIG_DIR, Composer, register_resolvers, resolve
from sim_core.config import spec_from_config
from sim_core.errors import InvariantError, SimError
from sim_core.observer import IterationLog
from sim_core.output import write_outputs
from sim_core.report import text_summary
from sim_core.simulation import Simulation
from traces.workload import TraceRef, load

ROOT = CONFIG_DIR.parent  # where relative paths in a configuration start


def job(cfg: DictConfig) -> None:
    """What Hydra runs: a mistake in the configuration or the trace is one line and status 2."""
    try:
        run(cfg)
    except InvariantError:
        raise
    except SimError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def run(cfg: DictConfig) -> None:
    """Simulate what `cfg` says, write its files into Hydra's output folder, print a summary."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    resolved = resolve(cfg)
    spec = spec_from_config(resolved, ROOT)
    where = resolved["trace"]
    trace = load(TraceRef(str(where["filename"]), str(where["dir"]), spec.seed), ROOT)
    simulation = Simulation(spec)
    logs = []
    if resolved["debug"]:
        for application_id, instances in simulation.instances.items():
            logs.append(IterationLog(folder / "instances", application_id, instances, list(trace.request_id)))
    gc.freeze()  # what Hydra and the imports left behind is not to be searched for garbage during the run
    began = time.process_time()
    result = simulation.run(trace)
    cpu_s = time.process_time() - began
    for log in logs:
        log.close()
    write_outputs(result, folder)
    print(text_summary(spec, trace, result, cpu_s, str(folder)))


def _one_line(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def main() -> int:
    """Run Hydra's command line. Overrides that Hydra refuses are one line and status 2 too."""
    warnings.showwarning = _one_line
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors through to here, instead of Hydra's own report
    register_resolvers()
    try:
        hydra.main(config_path=str(CONFIG_DIR), config_name="config", version_base=None)(job)()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {_explain(error)}", file=sys.stderr)
        return 2
    return 0


def _explain(error: Exception) -> str:
    """What is wrong with the overrides on the command line, with the nearest valid name."""
    overrides = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    try:
        Composer().compose(overrides)
    except SimError as better:
        return str(better)
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
