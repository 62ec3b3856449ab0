"""What a sweep answers: by design the highest rate within the SLO, the cheapest and least-power clusters, the front.

    from sync import load_sweep
    from sync.analysis.answers import answers, sentences

    told = answers(load_sweep("isocost").outcomes.values())
    print(*sentences(told), sep="\\n")
    told.workloads[0].systems[0].highest  # a Configuration, or None

A *configuration* is a cluster under a workload, whatever the rate and the seed (`splitwise-ha 30P+21T conv`); a
*system* is the experiment's name for the kind of cluster. Runs that differ by their seed alone are repetitions of one
configuration at one rate. It carries a rate when all of its runs up to that rate, with every seed, are within the SLO:
runs above one that is not count for nothing (`above`), and a point that failed ends the ladder too (`failed`), since
nothing is known of it. Rates that were not run are not asked for.
"""

from sync.analysis.answers.base import (
    Configuration,
    Normalised,
    RateStanding,
    SweepAnswers,
    SystemAnswer,
    WorkloadAnswer,
)
from sync.analysis.answers.build import answers, normalised
from sync.analysis.answers.words import sentence, sentences, shown

__all__ = [
    "Configuration",
    "Normalised",
    "RateStanding",
    "SweepAnswers",
    "SystemAnswer",
    "WorkloadAnswer",
    "answers",
    "normalised",
    "sentence",
    "sentences",
    "shown",
]
