"""Step times that add up parts of steps, each from a grid of its own."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core import SpecError
from sim_core.performance.grid_times import GridTimes
from sim_core.performance.step_grid import FORMAT, grid_of, packed, unpacked
from sim_core.performance.step_times import EXTRAPOLATED, GIVEN, INTERPOLATED
from sim_core.spec import Deployment
from sim_core.step import Step
from tests.sim_core.context_times import grid_of_parts

ONE_RANK = Deployment("tiny", "bf16", 2, "box-gpu", 4, 1, 1, "vllm")
FOUR_RANKS = replace(ONE_RANK, data_parallelism=4)
# Each part is a plain number at the sizes that the tests ask for.
PARTS = {
    "format": FORMAT,
    "source": {},
    "fused": False,
    "shared": {"tokens": [1, 128, 129, 1024], "seconds": [1.0, 2.0, 3.0, 10.0], "experts": [0.0] * 4,
               "estimated": [0.5] * 4, "norms": [0.25] * 4},
    "rest": {"tokens": [1, 2, 8], "seconds": [1.0, 1.5, 2.0], "estimated": [0.9, 0.9, 0.9], "norms": [0.125] * 3},
    "decodes": {"tokens": [1, 2, 8], "sizes": [1, 101, 201],
                "seconds": [[0.0, 0.1, 0.2], [0.0, 0.2, 0.4], [0.0, 0.8, 1.6]]},
    "prompts": {"tokens": [1, 128, 1024], "sizes": [[1, 3001], [64, 128, 3128], [512, 1024, 5024]],
                "seconds": [[0.0, 0.1], [0.1, 0.2, 1.2], [1.0, 2.0, 6.0]]},
}  # fmt: skip


def times(deployment: Deployment = ONE_RANK, **changed: object) -> GridTimes:
    return GridTimes(grid_of(packed(deployment, PARTS | changed)))


def step(tokens: int = 0, prompts: int = 0, pairs: int = 0, decodes: int = 0, context: int = 0) -> Step:
    made = Step(prompt_tokens=tokens, decodes=decodes, decode_context=context)
    made.prompts, made.prompt_pairs = prompts, pairs
    return made


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (step(decodes=2, context=202), 1.5 + 0.2),
        (step(decodes=2, context=302), 1.5 + 0.3),  # between two contexts
        (step(decodes=5, context=5 * 101), 1.75 + 0.5),  # between two numbers of decodes, each with 101 tokens
        (step(tokens=128), 2.0 + 0.2),
        (step(tokens=129), 3.0 + 0.2 + 1.8 / 896),  # one token more takes another tile
        (step(tokens=128, prompts=2, pairs=2 * 64 * 64), 2.0 + 0.1),  # two prompts have half the pairs of one
        (step(tokens=126, decodes=2, context=202), 2.0 + 0.2 * 125 / 127 + 0.2),
    ],
)
def test_a_step_takes_the_time_of_its_parts(asked: Step, seconds: float) -> None:
    assert times().seconds(asked, 1) == pytest.approx(seconds, rel=2e-3)


def test_decodes_beside_prompts_add_what_their_context_adds_where_attention_has_the_projections() -> None:
    rows = [[5.0, 5.1, 5.2], [6.0, 6.2, 6.4], [7.0, 7.8, 8.6]]
    fused = times(fused=True, decodes={"tokens": [1, 2, 8], "sizes": [1, 101, 201], "seconds": rows})
    alone, mixed = step(tokens=128), step(tokens=126, decodes=2, context=402)
    assert fused.seconds(mixed, 1) - fused.seconds(alone, 1) == pytest.approx(0.4, abs=0.01)


def test_ranks_share_decodes_evenly_and_a_prompt_runs_on_one_of_them() -> None:
    ranks = times(FOUR_RANKS)
    assert ranks.seconds(step(decodes=8, context=8 * 101), 1) == pytest.approx(1.5 + 0.2)
    whole, spread = step(tokens=512, prompts=1, pairs=512**2), step(tokens=512, prompts=4, pairs=4 * 128**2)
    assert ranks.seconds(whole, 1) == times().seconds(whole, 1)
    assert ranks.seconds(spread, 1) == pytest.approx(2.0 + 0.2)  # 128 tokens on each


def test_a_step_with_prompts_takes_at_least_the_launches_of_its_kernels_and_says_so() -> None:
    plain, launched = times(), GridTimes(grid_of(packed(ONE_RANK, PARTS)), launch_s=2.5).plus(0.25)
    small, large, decodes = step(tokens=8, decodes=2, context=202), step(tokens=512), step(decodes=2, context=202)
    assert plain.seconds(small, 1) < 2.5 < plain.seconds(large, 1)
    assert launched.seconds(small, 1) == 2.5 + 0.25
    assert launched.seconds(large, 1) == plain.seconds(large, 1) + 0.25
    assert launched.seconds(decodes, 1) == plain.seconds(decodes, 1) + 0.25
    assert [launched.provenance(each) for each in (small, large, decodes)] == [GIVEN, INTERPOLATED, INTERPOLATED]
    assert launched.mostly == ""


def test_a_norm_that_is_one_kernel_with_its_all_reduce_takes_no_time_of_its_own() -> None:
    plain, fused = times(), GridTimes(grid_of(packed(ONE_RANK, PARTS), fused_norms=True))
    prompt, decodes = step(tokens=128), step(decodes=2, context=202)
    assert plain.seconds(prompt, 1) - fused.seconds(prompt, 1) == pytest.approx(0.25)
    assert plain.seconds(decodes, 1) - fused.seconds(decodes, 1) == pytest.approx(0.125)
    assert fused.estimated_share(decodes) * fused.seconds(decodes, 1) == pytest.approx(0.9 - 0.125)


def test_experts_of_all_ranks_are_computed_together() -> None:
    shared = PARTS["shared"] | {"experts": [0.0, 128.0, 129.0, 1024.0]}  # type: ignore[operator]
    plain, ranks = times(FOUR_RANKS), times(FOUR_RANKS, shared=shared)
    whole = step(tokens=512, prompts=1, pairs=512**2)  # on one rank of four, which have 128 tokens in the mean
    assert ranks.seconds(whole, 1) - plain.seconds(whole, 1) == pytest.approx(128.0)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 300), st.sampled_from([1, 2, 4]), st.booleans(), st.integers(1, 400), st.integers(1, 9),
    st.integers(0, 5000), st.integers(0, 30), st.integers(0, 3000), st.integers(1, 40),
    st.sampled_from([0.0, 0.2, 0.5, 2.0]),
)  # fmt: skip
def test_a_run_of_steps_with_prompts_takes_the_sum_of_its_single_steps(
    seed: int, ranks: int, is_fused: bool, each: int, prompts: int, before: int, decodes: int, context: int,
    repeat: int, launch_s: float,
) -> None:  # fmt: skip
    deployment = replace(ONE_RANK, data_parallelism=ranks)
    model = GridTimes(grid_of(grid_of_parts(deployment, Random(seed), is_fused=is_fused)), launch_s=launch_s)
    steps = step(each * prompts, prompts, prompts * each * (2 * before + each), decodes, context)
    single = sum(model.seconds(steps.after(number), 1) for number in range(repeat))
    assert model.seconds(steps, repeat) == pytest.approx(single, rel=1e-12)


def test_times_say_whether_they_lie_between_points_beyond_them_and_which_part_is_estimated() -> None:
    model = times()
    assert model.provenance(step(tokens=128, decodes=2, context=202)) == INTERPOLATED
    assert model.estimated_share(step(decodes=2, context=2)) == pytest.approx(0.9 / 1.5)
    assert model.estimated_share(step(tokens=128)) == pytest.approx(0.5 / 2.2)
    for beyond in (step(decodes=9, context=9), step(decodes=1, context=202), step(tokens=1025)):
        assert model.provenance(beyond) == EXTRAPOLATED
    assert model.steps_beyond(step(decodes=1, context=200), 5) == 3  # contexts of 200 and 201 are measured


def test_damaged_tables_are_refused() -> None:
    spec = packed(ONE_RANK, PARTS)
    assert unpacked(spec)["shared"] == PARTS["shared"]
    with pytest.raises(SpecError, match="damaged"):
        unpacked(replace(spec, packed=spec.packed[:-9]))
    with pytest.raises(SpecError, match="damaged"):
        unpacked(replace(spec, sha256="0" * 64))


def test_specs_differ_by_the_content_of_their_tables_alone() -> None:
    spec = packed(ONE_RANK, PARTS)
    assert replace(spec, packed=b"other") == spec
    assert packed(ONE_RANK, PARTS | {"source": {"package": "another version"}}) != spec
