"""What a planner found as plain values: the field `found` of `python -m sync answers NAME --format json`."""

from __future__ import annotations

from typing import Any

from sync.analysis.found.compare import by_workload, comparison, ratios
from sync.analysis.found.words import sentence, sentences
from sync.results.found import Plan


def found_values(plan: Plan | None) -> list[dict[str, Any]]:
    """An object for each workload and system: all fields of `Found`, and its `sentence`; none without a question."""
    if plan is None:
        return []
    answers = {id(found): group for group in by_workload(plan) for found in group}
    plain = plan.to_json_dict()["found"]
    return [
        {**values, "sentence": sentence(found, answers[id(found)])}
        for values, found in zip(plain, plan.found, strict=True)
    ]


def plan_values(plan: Plan | None) -> dict[str, Any]:
    """The fields `found`, `found_sentences`, `comparisons` (a workload each: its sentence, and the ratios of designs
    with their intervals) and `search` (what it cost, and whether it came to its end; None without a question)."""
    if plan is None:
        return {"found": [], "found_sentences": [], "comparisons": [], "search": None}
    return {
        "found": found_values(plan),
        "found_sentences": sentences(plan),
        "comparisons": [
            {
                "workload": group[0].workload,
                "sentence": comparison(group),
                "ratios": [
                    {
                        "system": pair.one.system,
                        "to": pair.other.system,
                        "low": pair.low,
                        "estimate": pair.estimate,
                        "high": pair.high,
                    }
                    for pair in ratios(group)
                ],
            }
            for group in by_workload(plan)
        ],
        "search": {name: getattr(plan, name) for name in ("runs", "requests", "wasted", "is_done")},
    }
