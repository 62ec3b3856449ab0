"""`performance_model=measured`: step times from SplitwiseSim's measured runs, with a slope over context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import measured as leave_one_out
from configs.compose import CONFIG_DIR, Composer
from sim_core import SpecError, spec_from_config
from sim_core.errors import SpecWarning
from sim_core.performance.measured import MeasuredPerformance, times_from_runs
from sim_core.performance.step_times import EXTRAPOLATED, INTERPOLATED, MEASURED
from sim_core.spec import MeasuredSteps
from sim_core.step import Step
from tests.sim_core import context_times

HEADER = "model,hardware,tensor_parallel,prompt_size,batch_size,token_size,prompt_time_s,token_time_s\n"
PROMPTS = ((4, 0, 0.25), (8, 0, 0.5))
# A token of context takes 1/64 s, apart from +-1/8 s at one decode; 1, 2 and 6 decodes take 1, 2 and 4 s without any.
DECODES = ((1, 8, 1.25), (1, 16, 1.125), (1, 24, 1.25), (1, 32, 1.625), (2, 32, 2.5), (6, 192, 7.0))
STEPS = MeasuredSteps("tiny", "box-gpu", 1, PROMPTS, DECODES)


def seconds(number: int, context: int, steps: MeasuredSteps = STEPS) -> float:
    return times_from_runs(steps).seconds(Step(0, number, 0, context), 1)


# -- the fit ----------------------------------------------------------------------------------------------------------


def test_the_slope_and_the_times_without_context_are_a_least_squares_fit() -> None:
    columns = [[number == 1, number == 2, number == 6, context] for number, context, _ in DECODES]
    *without, slope = np.linalg.lstsq(np.array(columns, float), np.array([s for *_, s in DECODES]), rcond=None)[0]
    for number, alone in zip((1, 2, 6), without, strict=True):
        assert seconds(number, 0) == pytest.approx(alone, rel=1e-12)
        assert seconds(number, 1000) == pytest.approx(alone + 1000 * slope, rel=1e-12)


def test_between_two_numbers_of_decodes_times_are_on_a_line_at_the_same_context() -> None:
    assert seconds(3, 100) == pytest.approx(seconds(2, 100) * 0.75 + seconds(6, 100) * 0.25, rel=1e-12)


def test_beyond_the_most_decodes_the_last_section_goes_on_but_never_falls() -> None:
    assert seconds(10, 100) == pytest.approx(2 * seconds(6, 100) - seconds(2, 100), rel=1e-12)
    falling = MeasuredSteps("tiny", "box-gpu", 1, PROMPTS, ((1, 8, 1.0), (2, 16, 2.0), (4, 32, 1.75)))
    assert seconds(9, 32, falling) == 1.75


def test_without_several_contexts_context_costs_nothing() -> None:
    steps = MeasuredSteps("tiny", "box-gpu", 1, PROMPTS, ((1, 8, 1.0), (2, 16, 2.0)))
    assert seconds(2, 16) > 0 < seconds(2, 4000, steps) == 2.0


def test_context_never_makes_a_step_faster_nor_takes_more_than_a_steps_time_in_proportion() -> None:
    faster = MeasuredSteps("tiny", "box-gpu", 1, PROMPTS, ((1, 8, 2.0), (1, 16, 1.0), (2, 16, 2.0)))
    assert seconds(1, 0, faster) == seconds(1, 4000, faster) == 1.5
    steep = MeasuredSteps("tiny", "box-gpu", 1, PROMPTS, ((1, 8, 1.0), (1, 16, 9.0), (2, 16, 2.0)))
    assert seconds(1, 0, steep) > 0.0
    assert seconds(2, 0, steep) == pytest.approx(2.0 - 16 * 2.0 / 18, rel=1e-12)


def test_a_step_of_prompts_and_decodes_takes_both_but_for_a_step_without_decodes() -> None:
    times = times_from_runs(STEPS)
    without = 2 * seconds(1, 0) - seconds(2, 0)
    assert times.seconds(Step(4, 2, 0, 50), 1) == pytest.approx(0.25 + seconds(2, 50) - max(without, 0.0), rel=1e-12)


# -- where a time comes from ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "provenance"),
    [
        (Step(0, 1, 0, 16), MEASURED),
        (Step(0, 6, 0, 192), MEASURED),
        (Step(0, 1, 0, 31), INTERPOLATED),
        (Step(0, 2, 0, 64), INTERPOLATED),  # on the edge from 1 decode with 32 tokens to 6 with 192
        (Step(0, 2, 0, 65), EXTRAPOLATED),
        (Step(0, 2, 0, 32), MEASURED),
        (Step(0, 2, 0, 31), EXTRAPOLATED),
        (Step(0, 4, 0, 112), INTERPOLATED),  # half way from 2 decodes with 32 tokens to 6 with 192
        (Step(0, 4, 0, 111), EXTRAPOLATED),
        (Step(0, 1, 0, 7), EXTRAPOLATED),
        (Step(0, 7, 0, 192), EXTRAPOLATED),
        (Step(4), MEASURED),
        (Step(6), INTERPOLATED),
        (Step(4, 0, 1), EXTRAPOLATED),  # no prompt was measured with context before it
        (Step(4, 1, 0, 16), INTERPOLATED),
        (Step(4, 7, 0, 16), EXTRAPOLATED),
    ],
)
def test_a_time_says_where_it_comes_from(step: Step, provenance: str) -> None:
    assert times_from_runs(STEPS).provenance(step) == provenance


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 300), st.integers(1, 12), st.integers(0, 4000), st.integers(1, 60))
def test_steps_beyond_are_those_with_more_decodes_or_context_than_any_measured_ones_between(
    seed: int, number: int, context: int, repeat: int
) -> None:
    (steps,) = context_times.drawn("measured", seed).steps
    times, step = times_from_runs(steps), Step(0, number, 0, context)
    sizes = [(n, c) for n, c, _ in steps.decodes]
    most = -1.0  # tokens of context of so many decodes, on any line between two measured steps
    for n, c in sizes:
        for other, more in sizes:
            if n <= number <= other or n == number:
                most = max(most, c if n == other else c + (more - c) * (number - n) / (other - n))
    if number < min(sizes)[0]:
        most = max(c for n, c in sizes if n == min(sizes)[0])
    # beyond by less than rounding may count as within
    beyond = sum(context + turn * number > most + 1e-6 for turn in range(repeat))
    if number > max(sizes)[0]:
        beyond = repeat
    assert times.steps_beyond(step, repeat) == beyond


# -- the project's measurements ---------------------------------------------------------------------------------------


def configured(*overrides: str) -> Any:
    one = ("cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=1", "start_state=baseline")
    resolved = Composer().resolved([*one, "performance_model=measured", *overrides])
    return spec_from_config(resolved, CONFIG_DIR.parent)


LLAMA = ("applications.0.model_architecture=llama2-70b", "applications.0.model_size=llama2-70b-fp16")
GQA = ("applications.0.model_architecture=llama2-70b-gqa", "applications.0.model_size=llama2-70b-gqa-fp16")


def test_decodes_that_are_left_out_are_met_within_3_percent_in_the_mean_and_10_percent_at_most(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["measured.py"])
    assert leave_one_out.main() == 0
    assert "llama2-70b on h100-80gb, 8 GPUs" in capsys.readouterr().out


def test_the_benchmark_says_where_errors_are_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(512, 1, 1.0), (1024, 1, 1.0), (2048, 1, 1.0), (512, 2, 3.0), (512, 4, 3.0), (512, 8, 3.0)]
    lines = (f"tiny,box-gpu,1,{prompt},{batch},128,{prompt * batch},{time_s}\n" for prompt, batch, time_s in rows)
    path = tmp_path / "runs.csv"
    path.write_text(HEADER + "".join(lines))
    monkeypatch.setattr("sys.argv", ["measured.py", str(path)])
    assert leave_one_out.main() == 1


def test_grouped_query_attention_changes_the_memory_of_a_token_and_no_time() -> None:
    as_splitwisesim, true = configured(*LLAMA), configured(*GQA)
    sizes = [spec.applications[0].model.kv_bytes_per_token for spec in (as_splitwisesim, true)]
    assert sizes == [2 * 64 * 128 * 80 * 2, 2 * 8 * 128 * 80 * 2]
    assert as_splitwisesim.performance == true.performance


def test_runs_in_which_the_batch_was_served_in_parts_are_left_out_as_a_whole_and_named() -> None:
    said = (
        r"data/performance_runs.csv: llama2-70b on h100-80gb with tensor parallelism 2: left out as implausible: "
        r"32768 batch tokens \(prompt 0.3606 s, token 0.0423 s\); with it more"
    )
    with pytest.warns(SpecWarning, match=said):
        spec = configured(*GQA, "start_state.instance.tensor_parallelism=2")
    steps = next(each for each in spec.performance.steps if each.tensor_parallelism == 2)
    assert max(steps.prompts)[0] == 16384
    assert max(steps.decodes)[0] == 32


def test_its_prompts_take_about_as_long_as_those_of_db() -> None:
    curve = configured("performance_model=db").performance.curves[-1]
    steps = next(each for each in configured().performance.steps if each.hardware == curve.hardware)
    assert [(tokens, s) for tokens, _, s in steps.prompts] == [
        (tokens, pytest.approx(s, rel=0.05)) for tokens, s in zip(curve.batch_tokens, curve.prompt_s, strict=True)
    ]


# -- files ------------------------------------------------------------------------------------------------------------

ROWS = "".join(f"bloom-176b,h100-80gb,8,512,{n},128,{n},{n}\n" for n in (1, 2))


def with_runs(path: Path, text: str) -> MeasuredSteps:
    path.write_text(text)
    (steps,) = configured(f"performance_model.db_path={path}").performance.steps
    assert isinstance(steps, MeasuredSteps)
    return steps


def test_of_runs_of_the_same_sizes_the_median_counts_and_the_context_is_that_in_the_middle(tmp_path: Path) -> None:
    more = "".join(f"bloom-176b,h100-80gb,8,512,2,128,9,{token_s}\n" for token_s in (5, 6))
    steps = with_runs(tmp_path / "mine.csv", HEADER + ROWS + more)
    assert steps.prompts == ((512, 0, 1.0), (1024, 0, 9.0))
    assert steps.decodes == ((1, 576, 1.0), (2, 1152, 5.0))


def test_splitwisesims_own_table_is_read_in_milliseconds(tmp_path: Path) -> None:
    header = HEADER.replace("_time_s", "_time").replace("token_size", "token_size,peak_power")
    rows = "".join(f"bloom-176b,h100-80gb,8,512,{n},128,0.5,{1000 * n},{1000 * n}\n" for n in (1, 2))
    assert with_runs(tmp_path / "raw.csv", header + rows) == with_runs(tmp_path / "mine.csv", HEADER + ROWS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER.replace("token_size", "tokens") + ROWS, "mine.csv: column 'token_size' is missing"),
        (HEADER.replace("prompt_time_s", "prompt_s") + ROWS, "mine.csv: column 'prompt_time_s' is missing"),
        (HEADER + ROWS.replace(",128,1,", ",128,0,"), "row 1: prompt_time_s='0': must be a number above 0"),
        (HEADER + ROWS.replace(",512,2,", ",512,1,"), "with tensor parallelism 8: runs with two batch sizes and two"),
        (HEADER, "no measurements of bloom-176b"),
    ],
)
def test_a_file_that_does_not_do_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        with_runs(tmp_path / "mine.csv", text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_was_not_measured_is_known_by_its_name() -> None:
    spec = configured().performance
    with pytest.raises(SpecError, match="no measurements of bloom-176b on h100-80gb with tensor parallelism 4"):
        MeasuredPerformance(spec).times_of("bloom-176b", "h100-80gb", 4)
