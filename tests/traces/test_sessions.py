"""Sessions of a recipe: turns, think times, and system prompts that sessions share."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sim_core.errors import SpecError, TraceError
from sim_core.trace import Trace
from traces.__main__ import main
from traces.reader import read_file
from traces.recipe import Recipe
from traces.recipe_file import opener, parse
from traces.workload import TraceRef, identity, load
from traces.writing import write_trace

CHAT: dict[str, Any] = {
    "turns": "randint:low=1,high=6",
    "think_ms": "exponential:mean=3000",
    "answer_ms_per_token": 20,
    "prompt": "randint:low=1,high=60",
    "output": "randint:low=1,high=50",
    "arrivals": "poisson:rate=2",
    "system_prompts": 4,
    "system_tokens": "randint:low=10,high=90",
}
Runs = list[tuple[int, int]]


def recipe(*applications: dict[str, Any], **top: Any) -> Recipe:
    values = {"applications": list(applications), "duration_s": 60, **top}
    return parse(values, opener(Path(), read_file, confined=True))


def generated(*applications: dict[str, Any], seed: int = 0, **top: Any) -> Trace:
    return recipe(*applications, **top).generate(seed, "t")


def runs(trace: Trace) -> list[Runs]:
    prefixes = trace.prefixes
    assert prefixes is not None
    begins, pairs = prefixes.begins, list(zip(prefixes.firsts, prefixes.lengths, strict=True))
    return [pairs[begins[row] : begins[row + 1]] for row in range(len(trace))]


def sessions(trace: Trace) -> list[list[int]]:
    """The rows of each session, which is known by the first address of its own text."""
    found: dict[int, list[int]] = {}
    for row, own in enumerate(runs(trace)):
        found.setdefault(own[-1][0], []).append(row)
    return list(found.values())


def test_a_prompt_is_all_that_was_said_before_and_new_tokens() -> None:
    trace = generated(CHAT)
    lengths = Counter(map(len, sessions(trace)))
    assert max(lengths) == 6
    for rows in sessions(trace):
        said = 0
        for row in rows:
            (_, system), (_, own) = runs(trace)[row]
            assert system + own == trace.prompt_tokens[row] + trace.output_tokens[row]
            new = trace.prompt_tokens[row] - system - said
            assert 1 <= new <= 60
            said = own
        assert len({runs(trace)[row][0] for row in rows}) == 1  # one system prompt


def test_a_turn_comes_a_think_time_after_the_answer_before_it() -> None:
    trace = generated(CHAT | {"think_ms": "constant:tokens=4000"})
    gaps = 0
    for rows in sessions(trace):
        for row, after in pairwise(rows):
            gap_s = trace.arrival_s[after] - trace.arrival_s[row]
            assert gap_s == pytest.approx(4 + 0.02 * trace.output_tokens[row], abs=1e-9)
            gaps += 1
    assert gaps > 100


def test_sessions_with_the_same_system_prompt_have_it_in_common_and_nothing_else() -> None:
    trace = generated(CHAT)
    systems = Counter(runs(trace)[rows[0]][0] for rows in sessions(trace))
    assert len(systems) == 4
    spans = sorted([(first, first + tokens) for first, tokens in systems])
    spans += sorted((first, first + max(runs(trace)[row][1][1] for row in rows))
                    for rows in sessions(trace) for first in [runs(trace)[rows[0]][1][0]])  # fmt: skip
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_the_first_system_prompts_are_used_most() -> None:
    many = CHAT | {"turns": "constant:tokens=1", "arrivals": "poisson:rate=100", "system_prompts": 3}
    for zipf, shares in ((0, (1 / 3, 1 / 3, 1 / 3)), (1, (6 / 11, 3 / 11, 2 / 11)), (2, (36 / 49, 9 / 49, 4 / 49))):
        trace = generated(many | {"system_zipf": zipf})
        counts = Counter(own[0][0] for own in runs(trace))
        found = [counts[first] / len(trace) for first in sorted(counts)]
        assert found == pytest.approx(shares, abs=0.02)


def test_without_system_prompts_sessions_have_nothing_in_common() -> None:
    plain = {key: value for key, value in CHAT.items() if not key.startswith("system")}
    trace = generated(plain)
    assert {len(own) for own in runs(trace)} == {1}
    first = min(rows[0] for rows in sessions(trace))
    assert runs(trace)[first] == [(0, trace.prompt_tokens[first] + trace.output_tokens[first])]


def test_a_session_ends_before_its_context_would_be_too_long() -> None:
    free, limited = generated(CHAT), generated(CHAT | {"context_tokens": 200})
    kept = [row for rows in sessions(free) for row in rows if free.prompt_tokens[row] + free.output_tokens[row] <= 200]
    assert len(kept) == len(limited) < len(free)
    assert sorted(map(str, (runs(free)[row] for row in kept))) == sorted(map(str, runs(limited)))


def columns(trace: Trace, count: int) -> list[Any]:
    rows = range(count)
    whole = (trace.arrival_s, trace.prompt_tokens, trace.output_tokens, trace.application_id)
    return [[column[row] for column in whole] + [runs(trace)[row]] for row in rows]


def test_a_shorter_trace_is_the_beginning_of_a_longer_one() -> None:
    both = (CHAT, CHAT | {"arrivals": "gamma:rate=1,cv=2"})
    longer = generated(*both)
    for shorter in (generated(*both, duration_s=30), generated(*both, max_requests=100)):
        assert 50 < len(shorter) < len(longer)
        assert columns(shorter, len(shorter)) == columns(longer, len(shorter))
    assert generated(*both, seed=1).digest() != longer.digest() == generated(*both).digest()


def test_an_application_without_sessions_may_be_beside_them() -> None:
    trace = generated(CHAT, {"workload": "code", "arrivals": "poisson:rate=5"})
    for row, own in enumerate(runs(trace)):
        assert bool(own) == (trace.application_id[row] == 0)
    assert list(trace.arrival_s) == sorted(trace.arrival_s)


def test_sessions_of_two_applications_have_nothing_in_common() -> None:
    trace = generated(CHAT, CHAT)
    spans = [[own for row, own in enumerate(runs(trace)) if trace.application_id[row] == number] for number in (0, 1)]
    ends = [[first + tokens for own in part for first, tokens in own] for part in spans]
    assert max(ends[0]) < min(first for own in spans[1] for first, _ in own)


def test_a_rate_is_of_requests_and_sessions_keep_their_turns() -> None:
    plain = recipe(CHAT)
    assert plain.rate_per_s == pytest.approx(2 * 3.5)
    faster = plain.at_rate(14)
    assert faster.applications[0].arrivals.rate_per_s == pytest.approx(4)
    assert faster.rate_per_s == pytest.approx(14)


def test_sessions_are_part_of_a_recipes_identity() -> None:
    plain = recipe(CHAT)
    changed = [recipe(CHAT | {key: value}) for key, value in (("turns", "constant:tokens=2"), ("system_zipf", 2))]
    assert len({one.digest(0) for one in (plain, *changed)}) == 3
    without = replace(plain, applications=(replace(plain.applications[0], sessions=None),))
    assert without.digest(0) != plain.digest(0)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_file_has_the_same_sessions(name: str, tmp_path: Path) -> None:
    trace = generated(CHAT)
    write_trace(trace, tmp_path / name)
    assert read_file(tmp_path / name).digest() == trace.digest()
    assert read_file(tmp_path / name).prefixes == trace.prefixes


def test_a_run_finds_sessions_by_the_recipes_name(tmp_path: Path) -> None:
    lines = [f"    {key}: {value}" for key, value in CHAT.items()]
    (tmp_path / "chat.yaml").write_text("\n".join(["duration_s: 60", "applications:", "  - id: 0", *lines]))
    ref = TraceRef("chat", str(tmp_path), 3)
    assert load(ref, tmp_path).digest() == generated(CHAT, seed=3).digest()
    assert identity(ref, tmp_path) == recipe(CHAT).digest(3)


def test_the_command_line_takes_the_same_keys(tmp_path: Path) -> None:
    chat = CHAT | {"system_zipf": 0.5}
    text = " ".join(f"{key}={value}" for key, value in chat.items())
    out = tmp_path / "t.parquet"
    assert main(["generate", "--application", text, "--duration", "60", "--out", str(out)]) == 0
    assert read_file(out).digest() == generated(chat).digest()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"turns": None}, "is of sessions, which have turns: say how many, turns=constant:tokens=4"),
        ({"think_ms": None}, "think_ms: is missing"),
        ({"system_tokens": None}, "system_tokens: is missing"),
        ({"system_prompts": None}, "needs system_prompts"),
        ({"system_zipf": -1}, "system_zipf=-1: must be at least 0"),
        ({"context_tokens": 1}, "context_tokens=1: must be at least 2"),
        ({"think_s": 3}, "unknown key"),
    ],
)
def test_what_sessions_lack_is_said(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecError) as caught:
        recipe(CHAT | changes)
    assert reason in str(caught.value)


def test_too_many_turns_are_refused() -> None:
    with pytest.raises((SpecError, TraceError), match="at most 20,000,000"):
        generated(CHAT | {"turns": "constant:tokens=9000000"})
