"""What a planner found, in the description of its experiment in MLflow: the sentences, and a table of the designs."""

from __future__ import annotations

from collections.abc import Sequence

from sync.analysis.found import sentences
from sync.analysis.found.compare import by_workload
from sync.analysis.found.tables import designs
from sync.analysis.texts import Table
from sync.results.found import Plan
from sync.tracking.markdown import plain

_GAP = "\u00a0" * 3  # the interface sets the columns of a table edge to edge


def found_parts(plan: Plan, caveats: Sequence[str] = ()) -> list[str]:
    """The parts of the description, Markdown, the most important first. `caveats` limit the answer: they begin the one
    line that is visible while the description is folded."""
    texts = [plain(text) for text in sentences(plan)]
    lead = 1 if plan.is_done else 2  # "Partial" alone would be no answer
    start = [f"**{plain(text)}**" for text in caveats]
    parts = [" ".join([*start, *texts[:lead]]), *texts[lead:]]
    return [*parts, *(_markdown(designs(answers)) for answers in by_workload(plan))]


def _markdown(table: Table) -> str:
    """A table whose texts are escaped, with room between its columns."""
    sides = [":---" if number in table.words else "---:" for number in range(len(table.heads))]
    rows = [
        [_GAP * (number > 0) + plain(text) for number, text in enumerate(row)] for row in (table.heads, *table.rows)
    ]
    lines = [rows[0], sides, *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
