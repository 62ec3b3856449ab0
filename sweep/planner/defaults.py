"""Makes an ordinary experiment of one that has a question: what a search varies becomes an axis, and what the file
leaves out gets its default. Bad questions are refused here, before anything is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from sim_core.errors import SpecError
from sweep.experiment.choices import FOLDER, RATE, TRACE
from sweep.experiment.design import MACHINES, PROMPT, TOKEN
from sweep.experiment.file import Experiment, System, errors_named
from sweep.experiment.naming import SEED
from sweep.experiment.question import Question
from sweep.experiment.variables import keys_using, merged
from sync.results.slo import Slo
from traces.workload import OWN

# A run that far behind is beyond its limits, and the rest of it tells nothing: a quarter of the horizon, 30 to 60 s.
_PART_OF_HORIZON, _LEAST_STOP_S, _MOST_STOP_S = 0.25, 30.0, 60.0
_TIMES_A_LIMIT = 2.0  # that requests may take, where it is in seconds
MOST_MACHINES = 200  # of each role, where an experiment does not say; a search visits few of these clusters
FIRST_RATE = 1  # requests a second, at which a search that has not begun is checked
RATE_AXIS = "rate"
ARRIVALS = "trace.arrivals"
NO_LOAD = "a closed loop has no rate to search or to carry: leave find out, and make its concurrency an axis"


def as_grid(experiment: Experiment, question: Question, extra: Sequence[str]) -> Experiment:
    """The experiment as a grid with the axes of a search: `seed`, `rate` where the rate is searched, and machines that
    the file does not count. A budget stays where the whole of it is spent, for `most`. `extra` are the overrides of the
    command line. Raises SpecError for a question that cannot be answered."""
    with errors_named(experiment.source):
        typed = frozenset(text.partition("=")[0].strip().lstrip("+~") for text in extra)
        _refuse_seeds(experiment, typed)
        systems = tuple(_with_rate(experiment, system, question, typed) for system in experiment.systems)
        if question.asks == "least":
            systems = tuple(_with_machines(experiment, system) for system in systems)
            experiment = replace(experiment, budget=None)
        return replace(experiment, systems=systems, axes={**experiment.axes, SEED: (0,)})


def stop_at_backlog_s(slo: Slo, horizon_s: float | None) -> int:
    """The backlog, in seconds of arrivals, at which the runs of a search end as unstable, unless the experiment says
    otherwise: requests that wait so long are beyond the limits."""
    by_horizon_s = _MOST_STOP_S if horizon_s is None else _PART_OF_HORIZON * horizon_s
    limits_s = [limit.largest for limit in slo.limits() if limit.unit == "seconds" and limit.metric != "tbt"]
    least_s = _TIMES_A_LIMIT * max(limits_s, default=0.0)
    return ceil(max(min(max(by_horizon_s, _LEAST_STOP_S), _MOST_STOP_S), least_s))


def trace_depends_on(name: str, overrides: Mapping[str, Any], variables: Mapping[str, Any]) -> bool:
    """Whether the name of the trace, or of its folder, has the axis `name` in it."""
    return not {TRACE, FOLDER}.isdisjoint(keys_using(name, overrides, variables))


def _refuse_seeds(experiment: Experiment, typed: frozenset[str]) -> None:
    reason = "a search draws its own seeds, 0, 1, 2 ...: leave it out; find.seeds says how many at most"
    for place, part in _places(experiment):
        for kind in ("axes", "overrides", "variables"):
            if SEED in (values := getattr(part, kind)):
                raise SpecError(reason, key=f"{place}{kind}.{SEED}", value=_shown(values[SEED]))
    if SEED in typed:
        raise SpecError(reason, key=SEED)


def _with_rate(experiment: Experiment, system: System, question: Question, typed: frozenset[str]) -> System:
    """The system with an axis `rate` where its trace takes a rate that the experiment leaves open."""
    overrides, variables, axes = merged(experiment, system)
    is_given = RATE_AXIS in axes or RATE_AXIS in variables
    if (arrivals := overrides.get(ARRIVALS, OWN)) != OWN:
        raise SpecError(NO_LOAD, key=f"systems.{system.name}: {ARRIVALS}", value=arrivals)
    if question.asks == "most":
        _refuse_rates(experiment, typed)
        if not trace_depends_on(RATE_AXIS, overrides, variables):
            reason = f"the rate is to be found, and the trace does not depend on {RATE}: say rr_conv_{RATE}"
            raise SpecError(reason, key=f"systems.{system.name}: {TRACE}", value=overrides.get(TRACE))
    elif is_given or not keys_using(RATE_AXIS, overrides, variables):
        return system
    elif RATE_AXIS not in typed:
        reason = f"{RATE} is not given: say the load that is to be carried, such as axes: {{rate: 70}}"
        raise SpecError(reason, key="find.least", value=question.measure)
    return replace(system, axes={**system.axes, RATE_AXIS: (FIRST_RATE,)})


def _refuse_rates(experiment: Experiment, typed: frozenset[str]) -> None:
    """Raise SpecError for a rate beside the question for the highest rate."""
    reason = "the rate is what find: {most: rate} searches: leave it out, or leave out find for a grid of rates"
    for place, part in _places(experiment):
        for kind in ("axes", "variables"):
            if RATE_AXIS in (values := getattr(part, kind)):
                raise SpecError(reason, key=f"{place}{kind}.{RATE_AXIS}", value=_shown(values[RATE_AXIS]))
    if RATE_AXIS in typed:
        raise SpecError(reason, key=RATE_AXIS)


def _with_machines(experiment: Experiment, system: System) -> System:
    """The system with an axis for each number of machines of its design that the experiment does not give."""
    if system.design is None:
        return system
    _, variables, axes = merged(experiment, system)
    names = (MACHINES,) if system.design.is_baseline else (PROMPT, TOKEN)
    every = tuple(range(1, MOST_MACHINES + 1))
    missing = {name: every for name in names if name not in axes and name not in variables}
    return replace(system, axes={**system.axes, **missing})


def _places(experiment: Experiment) -> list[tuple[str, Experiment | System]]:
    """The experiment and its systems, each with the beginning of its keys."""
    return [("", experiment), *((f"systems.{system.name}.", system) for system in experiment.systems)]


def _shown(value: object) -> object:
    """The value of an axis or a setting, for a message."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value
