"""Sweeps: an experiment file becomes points, the points run on Ray or in this process, and every outcome is kept.

The rooms: `experiment` reads the file and builds the points, checked before anything runs; `launch` runs them;
`planner` searches where the experiment asks; `single` is the command line of single runs; `former` finds what earlier
versions finished. The modules here are the command `python -m sweep`, and `plan` is for Python.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sweep.planning import Answer


# Annotations are quoted: a Python too old for the project reads this file before it can be told so.
def plan(
    experiment: "str | Path | None" = None,
    *,
    overrides: "Sequence[str]" = (),
    results: "str | Path" = "results",
    sink: str = "none",
    ray: bool = False,
    jobs: "int | None" = None,
    plugins: "Sequence[str | Path]" = (),
    **words: Any,
) -> "Answer":
    """Find the cluster that carries most, or the cheapest that carries a load.

        sweep.plan(rate=40, workload="conv", least="cost").frame
        sweep.plan(most="rate", budget="dgx-h100=40", designs="baseline-h100,splitwise-ha", slo="ttft.p99=1s").found
        sweep.plan("experiments/isocost-find.yaml", overrides=["find.width=5%", "workload=conv"])

    The question is an `experiment`, by its file or its name, or in the words of `python -m sweep plan`, whose options
    are the keywords here. Runs are kept below `results` and not run again. They run in this process, one after the
    other; with `ray`, or with `jobs` at once, on Ray. `plugins` are files with policies of your own, whose code is run.
    Raises `sim_core.errors.SimError` for a question that cannot be
    answered.
    """
    from sweep.planner.ask import words_from
    from sweep.planning import answered

    asked = words_from(words)
    return answered(experiment, asked, list(overrides), results=results, sink=sink, ray=ray, jobs=jobs, plugins=plugins)
