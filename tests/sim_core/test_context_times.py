"""Step times that grow with context: sums of coefficients, and tables of measured steps."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import product
from math import isfinite, nextafter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from configs.compose import CONFIG_DIR, Composer
from sim_core import SpecError, spec_from_config
from sim_core.errors import SpecWarning
from sim_core.performance import PERFORMANCE_MODELS, StepTimes
from sim_core.performance.affine import AffineTimes
from sim_core.performance.calibrated_times import calibrated
from sim_core.performance.db import DatabasePerformance
from sim_core.performance.measured_steps import read_steps
from sim_core.performance.step_times import EXTRAPOLATED, GIVEN, INTERPOLATED, MEASURED
from sim_core.performance.table import TablePerformance, times_from_steps
from sim_core.spec import CurveSpec, MeasuredSteps, PerformanceSpec
from sim_core.step import Step
from tests.runs import measured
from tests.sim_core import context_times, worlds

HEADER = "model,hardware,tensor_parallel,prompt_tokens,decodes,context_tokens,seconds\n"
DATA = CONFIG_DIR.parent / "data" / "performance_steps.csv"
# Steps whose times are exact: those of decodes grow by 1/64 s at 10 tokens of context each.
PROMPTS = ((4, 0, 0.25), (4, 8, 0.5), (8, 0, 0.5), (8, 8, 1.0))
DECODES = ((2, 20, 0.125), (2, 40, 0.25), (4, 40, 0.25), (4, 80, 0.5))
EXACT = MeasuredSteps("tiny", "box-gpu", 1, PROMPTS, DECODES)


def times(policy: str, seed: int) -> StepTimes:
    spec = context_times.drawn(policy, seed)
    found = PERFORMANCE_MODELS[policy](spec).times_of("tiny", "box-gpu", 1)
    return calibrated(found, float(dict(spec.options)["factor"])) if policy == "calibrated" else found


def step_of(prompt_tokens: int, decodes: int, context: int, repeat: int = 1) -> Step:
    """Steps with a context that is shared between their prompts and decodes."""
    of_prompts = 0 if not prompt_tokens else context if not decodes else context // 3
    step = Step(prompt_tokens, decodes, of_prompts, context - of_prompts)
    step.repeat = repeat
    return step


steps = st.builds(
    step_of,
    st.sampled_from([0, 0, 1, 7, 40, 150]),
    st.integers(1, 14),
    st.integers(0, 4000),
    st.integers(1, 400),
) | st.builds(step_of, st.integers(1, 200), st.just(0), st.integers(0, 900), st.integers(1, 30))


# -- a run of steps -----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(context_times.ALL), st.integers(0, 300), steps, st.sampled_from([0.0, 0.0037]))
def test_a_run_of_steps_takes_the_sum_of_its_single_steps(
    policy: str, seed: int, step: Step, overhead_s: float
) -> None:
    model = times(policy, seed).plus(overhead_s)
    single = sum(model.seconds(step.after(number), 1) for number in range(step.repeat))
    assert model.seconds(step, step.repeat) == pytest.approx(single, rel=1e-12)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(context_times.ALL), st.integers(0, 300), steps, st.sampled_from([0.0, 0.0037]),
    st.floats(0.0, 1.0), st.sampled_from(["within a step", "at its end", "just before its end"]),
)  # fmt: skip
def test_the_steps_within_a_time_are_those_whose_seconds_are_no_more(
    policy: str, seed: int, step: Step, overhead_s: float, part: float, when: str
) -> None:
    model = times(policy, seed).plus(overhead_s)
    elapsed_s = part * model.seconds(step, step.repeat)
    if when != "within a step" and part * step.repeat >= 1:
        elapsed_s = model.seconds(step, int(part * step.repeat))
        if when == "just before its end":
            elapsed_s = nextafter(elapsed_s, 0.0)
    count = model.steps_within(step, elapsed_s)
    assert 0 <= count <= step.repeat
    assert count == 0 or model.seconds(step, count) <= elapsed_s
    assert count == step.repeat or model.seconds(step, count + 1) > elapsed_s


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(context_times.ALL), st.integers(0, 300), st.integers(0, 900), st.integers(1, 300))
def test_a_decode_that_runs_to_its_end_in_one_step_takes_the_time_of_its_passes(
    policy: str, seed: int, context: int, passes: int
) -> None:
    model = times(policy, seed).plus(0.25)
    whole, single = Step(decodes=1, decode_context=context), Step(decodes=1, decode_context=context)
    whole.passes = passes
    assert model.seconds(whole, 1) == pytest.approx(model.seconds(single, passes) - 0.25 * (passes - 1), rel=1e-12)
    assert [model.steps_within(whole, model.seconds(whole, 1) * part) for part in (0.5, 1.0)] == [0, 1]


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**6), steps)
def test_tables_of_affine_times_give_these_times_between_and_beyond_the_measured_steps(seed: int, step: Step) -> None:
    dice = Random(seed)
    affine = AffineTimes(*(size * dice.uniform(0.5, 2) for size in (0.05, 5e-4, 1e-3, 1e-4)))
    prompts = [(n, c, affine.seconds(Step(n, 0, c), 1)) for n, c in product((2, 30, 90), (0, 20, 300))]
    decodes = [(n, n * c, affine.seconds(Step(0, n, 0, n * c), 1)) for n, c in product((1, 3, 10), (5, 30, 200))]
    model = times_from_steps(MeasuredSteps("tiny", "box-gpu", 1, tuple(prompts), tuple(decodes)))
    assert model.seconds(step, step.repeat) == pytest.approx(affine.seconds(step, step.repeat), rel=1e-9)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 300), steps)
def test_every_time_of_a_table_is_a_number_above_0(seed: int, step: Step) -> None:
    assert isfinite(seconds := times("table", seed).seconds(step, 1))
    assert seconds > 0.0


# -- tables ---------------------------------------------------------------------------------------------------------


def exact() -> StepTimes:
    return times_from_steps(EXACT)


def test_a_measured_step_takes_its_measured_time() -> None:
    model = exact()
    for tokens, context, seconds in PROMPTS:
        assert model.seconds(Step(tokens, 0, context), 1) == seconds
    for members, context, seconds in DECODES:
        assert model.seconds(Step(0, members, 0, context), 1) == seconds


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (Step(0, 2, 0, 30), 0.1875),  # half way in context
        (Step(0, 3, 0, 45), 0.28125),  # between 2 and 4 decodes of 15 tokens each, which take 0.1875 and 0.375 s
        (Step(0, 4, 0, 160), 1.0),  # the last section goes on
        (Step(0, 8, 0, 80), 0.5),  # as it does in decodes: 10 tokens each
        (Step(6, 0, 4), 0.5625),  # between 4 and 8 tokens after 4, which take 0.375 and 0.75 s
        (Step(16, 0, 0), 1.0),
        (Step(4, 0, 16), 0.75),
        (Step(0, 2, 0, 0), 0.125 * 2 / 22),  # below the first point: no lower than in proportion to tokens and context
        (Step(4, 2, 8, 40), 0.5 + 0.25 - 0.0),  # a step of no decode takes no time here
    ],
)  # fmt: skip
def test_times_are_linear_between_and_beyond_measured_steps(step: Step, seconds: float) -> None:
    assert exact().seconds(step, 1) == pytest.approx(seconds, rel=1e-14)


def test_a_size_that_was_measured_with_one_context_grows_as_the_nearest_one_that_was_measured_with_several() -> None:
    decodes = ((1, 10, 0.25), (1, 74, 0.5), (8, 80, 1.0))  # a token of context takes 1/256 s
    model = times_from_steps(replace(EXACT, decodes=decodes))
    assert model.seconds(Step(0, 8, 0, 80 + 256), 1) == 2.0
    assert model.seconds(Step(0, 8, 0, 16), 1) == 0.75


def test_times_that_fall_at_the_last_measured_context_do_not_fall_further() -> None:
    model = times_from_steps(replace(EXACT, decodes=((2, 20, 0.25), (2, 40, 0.2), (4, 40, 0.5), (4, 80, 0.5))))
    assert model.seconds(Step(0, 2, 0, 4000), 1) == 0.2


@pytest.mark.parametrize(
    ("step", "provenance"),
    [
        (Step(4, 0, 8), MEASURED),
        (Step(4, 0, 4), INTERPOLATED),
        (Step(5, 0, 8), INTERPOLATED),
        (Step(9, 0, 8), EXTRAPOLATED),
        (Step(4, 0, 9), EXTRAPOLATED),
        (Step(0, 4, 0, 80), MEASURED),
        (Step(0, 3, 0, 60), INTERPOLATED),
        (Step(0, 3, 0, 61), EXTRAPOLATED),
        (Step(0, 3, 0, 29), EXTRAPOLATED),
        (Step(0, 1, 0, 10), EXTRAPOLATED),
        (Step(4, 4, 8, 80), INTERPOLATED),  # steps of both were never measured
        (Step(4, 4, 8, 81), EXTRAPOLATED),
        (Step(4, 4, 9, 80), EXTRAPOLATED),
    ],
)
def test_a_time_says_where_it_comes_from(step: Step, provenance: str) -> None:
    assert exact().provenance(step) == exact().plus(0.5).provenance(step) == provenance


def test_times_of_other_models_say_where_they_come_from_too() -> None:
    curve = CurveSpec("tiny", "box-gpu", 1, (4, 8), (0.25, 0.5), (0.25, 0.5))
    db = DatabasePerformance(PerformanceSpec("db", curves=(curve,))).times_of("tiny", "box-gpu", 1).plus(0.5)
    asked = [Step(8), Step(0, 4), Step(0, 5), Step(4, 4), Step(0, 3), Step(9)]
    expected = [MEASURED, MEASURED, INTERPOLATED, INTERPOLATED, EXTRAPOLATED, EXTRAPOLATED]
    assert [db.provenance(step) for step in asked] == expected
    assert times("linear", 0).provenance(Step(8)) == GIVEN


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 300), steps)
@example(0, step_of(0, 12, 40, 5))
def test_steps_beyond_are_those_with_more_tokens_or_context_than_were_measured(seed: int, step: Step) -> None:
    model = times("table", seed)
    assert isinstance(model, type(exact()))
    beyond = 0
    for number in range(step.repeat):
        later = step.after(number)
        sizes = [(model.prompts, later.prompt_tokens, later.prompt_context)] * (later.prompt_tokens > 0)
        sizes += [(model.decodes, later.decodes, later.decode_context)] * (later.decodes > 0)
        beyond += any(
            tokens > kind.measured_to or context > kind.lines.of(tokens).measured_to for kind, tokens, context in sizes
        )
    assert model.steps_beyond(step, step.repeat) == beyond


def test_a_step_of_many_passes_is_beyond_where_its_last_pass_is() -> None:
    for passes, beyond in ((21, 0), (22, 1)):
        step = Step(0, 2, 0, 0)
        step.passes = passes
        assert exact().steps_beyond(step, 1) == beyond


# -- runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batching", ["DEFAULT", "ORCA", "Splitwise", "vllm"])
@pytest.mark.parametrize("policy", context_times.MODELS)
def test_a_request_alone_on_the_reference_machine_has_slowdowns_of_one(policy: str, batching: str) -> None:
    spec = worlds.spec(count=1, kv_tokens=2000, batch=worlds.instance(batching))
    performance = context_times.drawn(policy, 3)
    reference = (replace(steps, hardware="a100-80gb", tensor_parallelism=8) for steps in performance.steps)
    grids = [
        replace(grid, deployment=replace(grid.deployment, hardware="a100-80gb", tensor_parallelism=8))
        for grid in performance.grids
    ]
    performance = replace(performance, steps=(*performance.steps, *reference), grids=(*performance.grids, *grids))
    spec = replace(spec, performance=performance)
    requests = measured(spec, worlds.trace([(0.0, 90, 41), (128.0, 1, 1), (256.0, 30, 2)])).requests
    for metric in ("ttft", "e2e", "tbt"):
        slowdowns = requests[f"{metric}_slowdown"]
        assert list(slowdowns[~np.isnan(slowdowns)]) == pytest.approx([1.0] * (3 - (metric == "tbt")), rel=1e-9)


def test_a_longer_context_makes_later_tokens_slower_in_any_batching_policy() -> None:
    options = (("base_s", 1.0), ("context_token_s", 0.125))
    for batching in ("DEFAULT", "ORCA", "Splitwise", "vllm"):
        spec = worlds.spec(count=1, kv_tokens=400, batch=worlds.instance(batching))
        spec = replace(spec, performance=PerformanceSpec("linear", options=options))
        (end_s,) = measured(spec, worlds.trace([(0.0, 8, 4)])).requests["token_end_s"]
        assert end_s == 4 * 1.0 + (8 + 9 + 10 + 11) * 0.125, batching


@pytest.mark.parametrize("batching", ["DEFAULT", "ORCA", "Splitwise", "vllm"])
def test_iterations_beyond_count_those_with_more_context_than_was_measured(batching: str) -> None:
    spec = worlds.spec(count=1, kv_tokens=400, batch=worlds.instance(batching))
    spec = replace(spec, performance=PerformanceSpec("table", steps=(EXACT,)))
    rows = [(0.0, 8, 20), (1e6, 9, 1)]  # 19 decodes with 8 to 26 tokens before them, of at most 20; a longer prompt
    result = measured(spec, worlds.trace(rows))
    assert result.summary["measured/iterations_beyond"] == (1 if batching == "DEFAULT" else 6) + 1


# -- configurations ---------------------------------------------------------------------------------------------------


def configured(*overrides: str) -> Any:
    one = ("cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=1", "start_state=baseline")
    return spec_from_config(Composer().resolved([*one, *overrides]), CONFIG_DIR.parent)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("~performance_model.base_s", "performance_model.base_s: is missing"),
        ("performance_model.base_s=0", "performance_model.base_s=0: must be more than 0"),
        ("performance_model.context_token_s=-1", "performance_model.context_token_s=-1: must be at least 0"),
        ("+performance_model.decodes_s=1", "performance_model.decodes_s: unknown key; did you mean 'decode_s'?"),
    ],
)
def test_linear_times_are_read_strictly(override: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        configured("performance_model=linear", override)
    assert said in str(error.value)


@pytest.mark.parametrize("option", [("base_s", 0.0), ("decode_s", -1.0), ("context_token_s", float("inf"))])
def test_a_spec_with_impossible_linear_times_is_refused(option: tuple[str, float]) -> None:
    options = tuple({"base_s": 1.0, option[0]: option[1]}.items())
    with pytest.raises(SpecError, match=f"{option[0]}={option[1]}: must be a finite number"):
        PERFORMANCE_MODELS["linear"](PerformanceSpec("linear", options=options))


def test_the_figures_of_the_configuration_are_the_least_squares_of_relative_errors() -> None:
    with DATA.open() as file:
        table = csv.DictReader(file)
        rows = [row for row in table if row["model"] == "bloom-176b" and row["hardware"] == "h100-80gb"]
    prompt_tokens, decodes, context, seconds = (
        np.array([float(row[name]) for row in rows])
        for name in ("prompt_tokens", "decodes", "context_tokens", "seconds")
    )
    columns = [np.ones_like(seconds), prompt_tokens, decodes, context + prompt_tokens + decodes]
    fitted = np.linalg.lstsq(np.stack(columns, 1) / seconds[:, None], np.ones_like(seconds), rcond=None)[0]
    config = yaml.safe_load((CONFIG_DIR / "performance_model" / "linear.yaml").read_text())
    names = ("base_s", "prompt_token_s", "decode_s", "context_token_s")
    assert [config[name] for name in names] == pytest.approx(fitted.tolist(), rel=0.005)


def test_the_measured_steps_of_the_project_are_its_curves() -> None:
    spec = configured("performance_model=table")
    curves = configured("performance_model=db").performance.curves
    for steps, curve in zip(spec.performance.steps, curves, strict=True):
        assert (steps.model, steps.hardware) == (curve.model, curve.hardware)
        assert [(tokens, seconds) for tokens, _, seconds in steps.prompts] == list(
            zip(curve.batch_tokens, curve.prompt_s, strict=True)
        )
        assert {members for members, _, _ in steps.decodes} == {1, 2, 4, 8, 16, 32, 64}


# -- files ------------------------------------------------------------------------------------------------------------

ROWS = "".join(f"bloom-176b,h100-80gb,8,{n},0,0,{n}\nbloom-176b,h100-80gb,8,0,{n},{n},{n}\n" for n in (1, 2))


def with_table(path: Path, rows: str) -> Any:
    path.write_text(HEADER + rows)
    return configured("performance_model=table", f"performance_model.db_path={path}")


def test_of_rows_of_the_same_sizes_the_median_counts(tmp_path: Path) -> None:
    extra = "".join(f"bloom-176b,h100-80gb,8,0,2,2,{seconds}\n" for seconds in (9, 3))
    (steps,) = with_table(tmp_path / "mine.csv", ROWS + extra).performance.steps
    assert steps.decodes == ((1, 1, 1.0), (2, 2, 3.0))
    assert steps.prompts == ((1, 0, 1.0), (2, 0, 2.0))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("bloom-176b,h100-80gb,8,4,2,0,1", "row 5: prompt_tokens=4, decodes=2: one of them must be 0"),
        ("bloom-176b,h100-80gb,8,0,0,0,1", "row 5: prompt_tokens=0, decodes=0: one of them must be 0"),
        ("bloom-176b,h100-80gb,8,4,0,-1,1", "row 5: context_tokens='-1': must be a whole number of at least 0"),
        ("bloom-176b,h100-80gb,8,4,0,0,0", "row 5: seconds='0': must be a number above 0"),
        ("bloom-176b,h100-80gb,0,4,0,0,1", "row 5: tensor_parallel='0': must be a whole number of at least 1"),
        ("tiny,box,1,4,0,0,1", "tiny on box: a table needs two counts of prompt_tokens at least"),
    ],
)
def test_a_row_that_is_no_measured_step_is_one_line_with_its_reason(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        with_table(tmp_path / "mine.csv", ROWS + row + "\n")
    assert said in str(error.value)
    assert "mine.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_without_the_wanted_hardware_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no measurements of bloom-176b on h100-80gb with tensor parallelism 8.*a100"):
        with_table(tmp_path / "mine.csv", ROWS.replace("h100-80gb", "a100-80gb"))


def test_implausible_steps_are_left_out_and_named(tmp_path: Path) -> None:
    rows = "bloom-176b,h100-80gb,8,4,0,0,0.5\nbloom-176b,h100-80gb,8,8,0,0,4\nbloom-176b,h100-80gb,8,0,2,64,0.5\n"
    with pytest.warns(SpecWarning) as warned:
        (steps,) = with_table(tmp_path / "mine.csv", ROWS + rows).performance.steps
    (text,) = {str(each.message) for each in warned}
    for said in ("4 prompt tokens after 0 tokens of context (0.5 s)", "2 decodes after 64 tokens of context (0.5 s)"):
        assert said in text
    assert [tokens for tokens, _, _ in steps.prompts] == [1, 2, 8]
    assert steps.decodes == ((1, 1, 1.0), (2, 2, 2.0))


def test_a_table_of_which_too_little_is_left_is_an_error(tmp_path: Path) -> None:
    falling = ROWS.replace("8,2,0,0,2", "8,2,0,0,0.5")
    with pytest.raises(SpecError, match=r"mine.csv: bloom-176b on h100-80gb .*steps of fewer than two sizes are left"):
        with_table(tmp_path / "mine.csv", falling)


def test_a_file_of_curves_is_told_from_one_of_steps() -> None:
    with pytest.raises(SpecError, match="column 'prompt_tokens' is missing"):
        read_steps(DATA.with_name("performance_curves.csv"), "performance_curves.csv")


def test_all_instances_of_a_kind_share_their_lines() -> None:
    model = TablePerformance(PerformanceSpec("table", steps=(EXACT,)))
    first, second = model.times_of("tiny", "box-gpu", 1), model.times_of("tiny", "box-gpu", 1)
    assert first is second
    assert model.known() == [("tiny", "box-gpu", 1)]
