"""Measured iteration times: which points are believed, what lies between and beyond them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import SimSpec, SpecError, Trace, spec_from_config
from sim_core.errors import SpecWarning
from sim_core.performance.curve import seconds_at, times_from_curve
from sim_core.performance.measurements import read_curves
from sim_core.performance.plausible import plausible
from sim_core.spec import CurveSpec, PerformanceSpec
from sim_core.step import Step
from sweep.single.summary import text_summary
from tests.runs import measured
from tests.sim_core import worlds

ROOT = CONFIG_DIR.parent
SHIPPED = read_curves(ROOT / "data" / "performance_curves.csv", "data/performance_curves.csv")
LLAMA = ["applications.0.model_architecture=llama2-70b", "applications.0.model_size=llama2-70b-fp16"]
ONE_H100 = ["cluster=half_half", "cluster.servers.0.count=0", "performance_model=db"]
HEADER = "model,hardware,tensor_parallel,batch_tokens,prompt_time_s,token_time_s\n"


def curve(prompt_s: list[float], token_s: list[float] | None = None) -> CurveSpec:
    tokens = tuple(128 * 2**place for place in range(len(prompt_s)))
    return CurveSpec("m", "h", 1, tokens, tuple(prompt_s), tuple(token_s or [0.1] * len(prompt_s)))


def spec_of(*overrides: str) -> SimSpec:
    return spec_from_config(Composer().resolved([*ONE_H100, *overrides]), ROOT)


def one_by_one(prompts: list[int]) -> Trace:
    """Requests that do not meet."""
    return worlds.trace([(200.0 * row, prompt, 3) for row, prompt in enumerate(prompts)])


# -- the rule --------------------------------------------------------------------------------------------------


def test_of_the_projects_measurements_one_point_of_each_curve_with_tensor_parallelism_2_is_implausible() -> None:
    found = {key: [one.batch_tokens[place] for place in plausible(one)[1]] for key, one in SHIPPED.items()}
    assert {key: tokens for key, tokens in found.items() if tokens} == {
        ("llama2-70b", "a100-80gb", 2): [32768],
        ("llama2-70b", "h100-80gb", 2): [32768],
        ("llama2-70b", "h100-80gb-pcap", 2): [32768],
    }


def test_the_page_on_the_data_lists_the_points_that_are_left_out_with_their_values() -> None:
    page = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    for (model, hardware, parallelism), one in SHIPPED.items():
        for place in plausible(one)[1]:
            values = f"{one.batch_tokens[place]:,} | {one.prompt_s[place]:.4f} | {one.token_s[place]:.4f}"
            assert f"| {model} | {hardware} | {parallelism} | {values} |" in page


@pytest.mark.parametrize(
    ("prompt_s", "left_out"),
    [
        ([1.0, 2.0, 4.0, 8.0], ()),
        ([1.0, 2.0, 1.6, 3.0], ()),  # 20% less, no more
        ([1.0, 0.9, 0.8, 0.7], (3,)),  # in small steps, but 30% in all
        ([1.0, 2.0, 4.0, 0.5], (3,)),
        ([1.0, 2.0, 40.0, 4.0, 8.0], (2,)),  # the peak, not the two behind it
        ([9.0, 1.0, 2.0, 4.0], (0,)),
        ([1.0, 2.0, 1.0], (2,)),  # of two that cannot both be, that at fewer tokens is believed
        ([1.0, 8.0, 2.0, 0.1, 4.0], (1, 3)),
    ],
)
def test_the_fewest_points_are_left_out_so_that_no_time_falls_by_more_than_a_fifth(
    prompt_s: list[float], left_out: tuple[int, ...]
) -> None:
    whole = curve(prompt_s)
    for one, steady in (
        (whole, "token_s"),
        (replace(whole, token_s=whole.prompt_s, prompt_s=whole.token_s), "prompt_s"),
    ):
        believed, found = plausible(one)
        assert found == left_out
        kept = [tokens for place, tokens in enumerate(one.batch_tokens) if place not in left_out]
        assert believed.batch_tokens == tuple(kept)
        assert getattr(believed, steady) == (0.1,) * len(kept)


# -- between and beyond ----------------------------------------------------------------------------------------


def test_between_the_points_and_beyond_them_the_times_are_those_of_straight_lines_to_the_bit() -> None:
    for one in SHIPPED.values():
        xs, ys = one.batch_tokens, one.prompt_s
        for x, low in ((1, 0), (100, 0), (300, 1), (3000, 4), (30_000, 7)):
            line = (ys[low + 1] - ys[low]) / (xs[low + 1] - xs[low]) * (x - xs[low]) + ys[low]
            assert seconds_at(xs, ys, x) == line
        believed = plausible(one)[0]
        (x0, x1), (y0, y1) = believed.batch_tokens[-2:], believed.prompt_s[-2:]
        assert (
            seconds_at(believed.batch_tokens, believed.prompt_s, 41_216) == (y1 - y0) / (x1 - x0) * (41_216 - x0) + y0
        )


@pytest.mark.parametrize("key", SHIPPED)
def test_beyond_the_last_point_no_time_of_the_projects_curves_falls_and_none_is_0(key: tuple[str, str, int]) -> None:
    believed = plausible(SHIPPED[key])[0]
    for ys in (believed.prompt_s, believed.token_s):
        beyond = [seconds_at(believed.batch_tokens, ys, x) for x in range(believed.batch_tokens[-1], 400_000, 999)]
        assert beyond == sorted(beyond)
        assert min(seconds_at(believed.batch_tokens, ys, x) for x in range(1, 129)) > 0.0


def test_a_last_section_that_falls_a_little_goes_on_level() -> None:
    assert [seconds_at((10, 20), (1.0, 0.9), x) for x in (10, 15, 20, 21, 10**6)] == [1.0, 0.95, 0.9, 0.9, 0.9]


def test_a_first_section_too_steep_to_reach_no_tokens_goes_on_in_proportion() -> None:
    assert [seconds_at((10, 20), (1.0, 3.0), x) for x in (1, 5, 10, 15)] == [0.1, 0.5, 1.0, 2.0]


# -- runs ------------------------------------------------------------------------------------------------------


def test_a_longer_prompt_is_never_faster_with_tensor_parallelism_2_and_the_point_left_out_is_named() -> None:
    with pytest.warns(SpecWarning) as said:
        spec = spec_of(*LLAMA, "start_state.instance.tensor_parallelism=2")
        prompts = [4096, 8192, 16384, 20000, 24000, 28000, 30000, 32768, 34000]
        result = measured(spec, one_by_one(prompts))
    assert str(said[0].message) == (
        "data/performance_curves.csv: llama2-70b on h100-80gb with tensor parallelism 2: left out as implausible: "
        "32768 batch tokens (prompt 0.3606 s, token 0.0423 s); with it more batch tokens would take over 20% less time"
    )
    ttft = list(result.requests["ttft_s"])
    assert ttft == sorted(ttft)
    last = (2.397773579985369 - 1.2663056575111113) / 8192
    assert ttft == pytest.approx(
        [0.6224591985228471, 1.2663056575111113, *(2.397773579985369 + last * (n - 16384) for n in prompts[2:])]
    )
    assert result.summary["measured/iterations_beyond"] == 6.0  # the prompts above 16,384 tokens


def test_a_run_says_how_many_of_its_iterations_were_larger_than_any_measured_one() -> None:
    spec = spec_of()
    trace = one_by_one([32768, 32769, 41_216])
    result = measured(spec, trace)
    assert (result.completed, result.summary["measured/iterations_beyond"]) == (3, 2.0)
    text = text_summary(spec, trace, result, 1.0, "")
    assert (
        "measured   2 of 9 iterations had more batch tokens than any measured one: their times follow the last" in text
    )


def test_a_run_within_what_was_measured_says_0_and_nothing_in_its_text() -> None:
    spec, trace = spec_of(), one_by_one([1, 128, 32768])
    with warnings.catch_warnings(action="error"):
        result = measured(spec, trace)
    assert result.summary["measured/iterations_beyond"] == 0.0
    assert "measured" not in text_summary(spec, trace, result, 1.0, "")


def test_the_summary_of_a_run_is_no_wider_than_80_columns_and_figures_stand_below_their_heads() -> None:
    spec, trace = spec_of(), one_by_one([1, 128, 32768])
    lines = text_summary(spec, trace, measured(spec, trace), 1.0, "out").splitlines()
    assert max(map(len, lines)) <= 80
    head, ttft = lines[2], lines[3]
    ends = [end for end in range(1, len(head) + 1) if head[:end].endswith(("p50", "p90", "p99"))]
    assert [ttft[end - 1] for end in ends] == ["s"] * 3 + ["x"] * 3
    assert any(line.startswith("SLO ") and "the paper's SLO" in line for line in lines)


def test_without_measurements_there_is_no_such_figure() -> None:
    assert "measured/iterations_beyond" not in measured(worlds.spec(), worlds.trace([(0.0, 4, 3)])).summary


@pytest.mark.parametrize(("batching", "beyond"), [("ORCA", 4 + 1), ("Splitwise", 4 + 1), ("DEFAULT", 0)])
def test_iterations_of_more_decodes_than_measured_tokens_count_each_and_so_do_mixed_ones(
    batching: str, beyond: int
) -> None:
    curve = CurveSpec("tiny", "box-gpu", 1, (1, 2, 4), (0.25, 0.25, 0.25), (0.0625, 0.0625, 0.0625))
    spec = replace(worlds.spec(batching=batching, count=1), performance=PerformanceSpec("db", curves=(curve,)))
    rows = [(0.0, 1, 10)] * 4 + [(0.4, 1, 5)]  # the fifth joins four in a mixed batch, and five decode 4 times
    result = measured(spec, worlds.trace(rows))
    assert result.summary["measured/iterations_beyond"] == beyond


def test_overheads_do_not_hide_iterations_beyond() -> None:
    times = times_from_curve(curve([1.0, 2.0])).plus(0.5)
    seconds = [times.seconds(Step(prompt_tokens=tokens, decodes=56), 1) for tokens in (200, 328, 328)]
    assert seconds == [2.0 * 1.1 + 0.5, 3.0 * 1.1 + 0.5, 3.0 * 1.1 + 0.5]
    assert sum(table.looks_beyond for table in times.tables_beyond()) == 2


# -- a user's own table ----------------------------------------------------------------------------------------


def with_table(path: Path, rows: str) -> SimSpec:
    path.write_text(HEADER + rows)
    return spec_of("start_state.instance.tensor_parallelism=8", f"performance_model.db_path={path}")


def test_a_table_of_a_users_own_is_held_to_the_same_rule_and_its_points_left_out_are_named(tmp_path: Path) -> None:
    rows = "".join(f"bloom-176b,h100-80gb,8,{n},{s},0.05\n" for n, s in ((100, 1.0), (200, 2.0), (400, 0.5), (800, 8)))
    with pytest.warns(SpecWarning, match=r"with tensor parallelism 8: left out as implausible: 400 batch tokens \("):
        spec = with_table(tmp_path / "mine.csv", rows)
    assert spec.performance.curves[0].batch_tokens == (100, 200, 800)


def test_a_table_of_which_too_little_is_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"mine.csv: bloom-176b on h100-80gb .* fewer than two points are left"):
        with_table(tmp_path / "mine.csv", "bloom-176b,h100-80gb,8,100,1.0,0.05\nbloom-176b,h100-80gb,8,200,0.5,0.05\n")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("bloom-176b,h100-80gb,8,100,0,0.05", "row 1: prompt_time_s='0': must be a number above 0"),
        ("bloom-176b,h100-80gb,8,100,1,nan", "row 1: token_time_s='nan': must be a number above 0"),
        ("bloom-176b,h100-80gb,8,0,1,1", "row 1: batch_tokens='0': must be a whole number of at least 1"),
        ("bloom-176b,h100-80gb,two,1,1,1", "row 1: tensor_parallel='two': must be a whole number of at least 1"),
        ("bloom-176b,h100-80gb,8,100", "row 1: prompt_time_s=None: must be a number above 0"),
    ],
)
def test_a_value_that_is_no_measurement_is_one_line_with_row_column_and_value(
    tmp_path: Path, row: str, said: str
) -> None:
    with pytest.raises(SpecError) as error:
        with_table(tmp_path / "mine.csv", f"{row}\n")
    assert str(error.value).endswith(f"mine.csv: {said}")


def test_a_table_that_is_no_text_is_one_line_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes((HEADER + "bloom-176b,h100-80gb,8,1,1,1\n").encode("utf-16"))
    with pytest.raises(SpecError, match=r"mine.csv': cannot be read: it is no CSV text in UTF-8"):
        spec_of(f"performance_model.db_path={path}")
