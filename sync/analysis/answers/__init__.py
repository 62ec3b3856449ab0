"""What a sweep answers: by design the highest rate within the SLO, the cheapest and least-power clusters, the front.

    from sync import load_sweep
    from sync.analysis.answers import answers_of, sentences

    found = answers_of(load_sweep("isocost"))
    print(*sentences(found), sep="\\n")
    found.workloads[0].systems[0].highest  # a Configuration, or None

A *configuration* is a cluster under a workload, whatever the rate and the seed (`splitwise-ha 30P+21T conv`); a
*system* is the experiment's name for the kind of cluster. Runs that differ by their seed alone are repetitions of one
configuration at one rate, which are judged together (`sync.analysis.standing.standing_of`): several seeds by their
requests beyond each limit are within the SLO, beyond it or undecided; one seed is judged by its figures and has no
interval. A configuration carries a rate when all rates up to it are within the SLO, and less than the lowest rate that
is beyond it (`beyond`). Runs above a rate that is not carried do not count (`above`). A point that failed ends the
ladder of rates too (`failed`), since nothing is known of it. Rates that were not run are left open: where a rate is
planned and has no result, no higher rate counts as carried, and a design none of whose points has a result is
`not_run`.
"""

from sync.analysis.answers.base import Configuration, Normalised, SweepAnswers, SystemAnswer, WorkloadAnswer
from sync.analysis.answers.build import answers, answers_of, check_rate, normalised
from sync.analysis.answers.tables import OF_A_LIMIT, counts, notes, tables
from sync.analysis.answers.words import bare_sentences, sentence, sentences

__all__ = [
    "OF_A_LIMIT",
    "Configuration",
    "Normalised",
    "SweepAnswers",
    "SystemAnswer",
    "WorkloadAnswer",
    "answers",
    "answers_of",
    "bare_sentences",
    "check_rate",
    "counts",
    "normalised",
    "notes",
    "sentence",
    "sentences",
    "tables",
]
