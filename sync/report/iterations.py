"""What one run did iteration by iteration. A sweep does not keep that, so the run is made again and checked."""

from __future__ import annotations

import shlex
import time
import warnings
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from configs.silicon import grids
from sim_core import content_key, spec_from_config
from sim_core.errors import SimError, shown
from sim_core.replica import IterationObserver, Replica
from sim_core.simulation import Simulation
from sync.results.code import deciding_code
from sync.results.measure import MeasuredRun, measure
from sync.results.outcome import Outcome
from sync.results.plugins import plugins_text, reproduce

if TYPE_CHECKING:
    import pandas as pd

_ROOT = Path(__file__).resolve().parents[2]  # where relative paths in a configuration start
_LONGEST_S = 900.0  # after which a run is given up
_COLUMNS = ("instance", "role", "start_s", "end_s", "requests", "prompts", "iterations", "tokens")


@dataclass(frozen=True)
class Iterations:
    """The iterations of the run called `name`, a row a run of equal iterations of an instance: `machine`, `name`,
    `role` (prompt, token, mixed, any), `start_s` and `end_s` (since the first arrival), `requests` and `prompts` in the
    batch, `iterations`, and `tokens` in each of them. `note` says how the run was made."""

    name: str
    table: pd.DataFrame
    note: str


def again(outcome: Outcome, recorded: pd.DataFrame | None) -> Iterations | str:
    """Make the run of `outcome` again and record its iterations; where that cannot be done, the reason. `recorded` is
    the run's table of requests, with which the new run's requests are compared."""
    if outcome.plugins:
        command = shlex.join([*reproduce(outcome, str), "debug=True"])
        used = f"it uses {plugins_text(outcome)}, and results run no code"
        return f"it was not run again: {used}; with the file at hand, {shown(command)} shows its iterations"
    from traces import workload  # only here: other commands do without it

    try:
        with warnings.catch_warnings(action="ignore"):  # the first run has shown them
            config = _configuration(outcome)
            spec = spec_from_config(config, _ROOT, grids=grids)
            ref = workload.ref_from_config(config, spec.seed)
            key = content_key(spec, workload.identity(ref, _ROOT), deciding_code().digest_for(spec))
            simulation = Simulation(spec)
            recorder = _Recorder(simulation)
            result = measure(simulation.run(workload.load(ref, _ROOT)), spec)
    except TimeoutError:
        return f"running it again took more than {_LONGEST_S:g} s"
    except (SimError, OSError) as error:
        return f"it could not be run again ({shown(' '.join(str(error).split()))})"
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError, MemoryError) as error:
        # a configuration that nobody of us has written: the report is made without this run
        return f"it could not be run again (its configuration is none of ours: {type(error).__name__})"
    table = recorder.table(result.first_arrival_s)
    if table.empty:
        return "it served nothing"
    likeness = _likeness(outcome, key, result, recorded)
    return Iterations(outcome.name, table, f"Made by running {outcome.name} again{likeness}.")


def _configuration(outcome: Outcome) -> Mapping[str, Any]:
    """The configuration that the run kept, as plain values; of a source that keeps none, what its settings compose to.

    Results may come from somebody else: only settings of ours are composed, so no file outside configs/ is read as a
    configuration and nothing is written. Raises SpecError for other settings.
    """
    if outcome.config_yaml:
        from configs.bounded import parse_yaml

        config = parse_yaml(outcome.config_yaml, "its configuration")
        return config if isinstance(config, dict) else {}
    from configs.compose import Composer
    from configs.stored import own_settings

    return Composer().resolved(own_settings(outcome.overrides))


class _Recorder(IterationObserver):
    """Records the iterations of all replicas of a simulation that has not begun."""

    def __init__(self, simulation: Simulation) -> None:
        self._rows = array("d")
        self._roles: dict[str, int] = {}
        self._deadline = time.monotonic() + _LONGEST_S
        self._names: list[tuple[str, str]] = []
        self._numbers: dict[Replica, int] = {}
        for application, replicas in simulation.replicas.items():
            for replica in replicas:
                self._numbers[replica] = len(self._names)
                self._names.append((f"{application}/{replica.index}", replica.name))
                replica.observe(self)

    def iterations_ended(self, replica: Replica) -> None:
        """Record a run of iterations. Raises TimeoutError once the run takes too long."""
        if time.monotonic() > self._deadline:
            raise TimeoutError
        end_s, step = replica.steps_until_s(), replica.step
        start_s = end_s - replica.length_s
        role = self._roles.setdefault(replica.role or "any", len(self._roles))
        members = replica.batcher.members()
        requests, prompts = len(members), sum(task.is_prompt for task in members)
        number = self._numbers[replica]
        self._rows.extend((number, role, start_s, end_s, requests, prompts, step.repeat, step.tokens))

    def table(self, first_arrival_s: float) -> pd.DataFrame:
        """The rows by instance, in the order of time."""
        import pandas as pd

        rows = np.asarray(self._rows).reshape(-1, len(_COLUMNS))
        table = pd.DataFrame(rows, columns=_COLUMNS).sort_values("instance", kind="stable", ignore_index=True)
        table[["start_s", "end_s"]] -= first_arrival_s
        table = table.astype({name: "int64" for name in _COLUMNS if not name.endswith("_s")})
        table["role"] = table["role"].map(dict(enumerate(self._roles)))
        names = pd.DataFrame(self._names, columns=["machine", "name"])
        return table.join(names, on="instance").drop(columns="instance")


def _likeness(outcome: Outcome, key: str, result: MeasuredRun, recorded: pd.DataFrame | None) -> str:
    """Whether the new run is the recorded one, by the times of its requests, else by its content key."""
    if recorded is None or "ttft_s" not in recorded:
        verb = "is" if key == outcome.key else "is not"
        return f": its content key {verb} that of the sweep's run, which kept no requests to compare with"
    known = recorded.sort_values("request_id", kind="stable")
    order = np.argsort(np.asarray(result.requests["request_id"]), kind="stable")
    if len(order) == len(known) and all(
        np.allclose(np.asarray(result.requests[name])[order], known[name].to_numpy(), rtol=1e-12, atol=1e-12)
        for name in ("request_id", "ttft_s", "e2e_s")
    ):
        return ": the times of all its requests are those of the sweep's run"
    return ", by code that is not the sweep's: its requests differ from those of the sweep's run"
