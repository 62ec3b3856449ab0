"""What describe says of a trace, against traces of which it is known."""

from __future__ import annotations

import json
import math
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from sim_core.trace import Trace
from traces.describe import overview
from traces.picture import draw
from traces.recipe_file import parse
from traces.statistics import BIN_WIDTHS_S, bin_width, describe, sparkline


def trace(arrival_s: list[float], prompt: list[int] | None = None, output: list[int] | None = None) -> Trace:
    n = len(arrival_s)
    return Trace(
        name="t",
        request_id=array("q", range(n)),
        application_id=array("q", [0]) * n,
        arrival_s=array("d", arrival_s),
        prompt_tokens=array("q", prompt or [10] * n),
        output_tokens=array("q", output or [2] * n),
        batch_size=array("q", [1]) * n,
    )


def made(arrivals: str, duration_s: float = 1200.0, seed: int = 1) -> Trace:
    application = {"workload": "conv", "arrivals": arrivals}

    def nothing(name: str) -> None:
        raise AssertionError(name)

    return parse({"applications": [application], "duration_s": duration_s}, nothing).generate(seed, "made")  # type: ignore[arg-type]


def test_poisson_arrivals_have_1_in_all_figures_of_unevenness() -> None:
    facts = describe(made("poisson:rate=20"))["burstiness"]
    assert facts["gap_cv"] == pytest.approx(1.0, abs=0.03)
    windows = {window["window_s"]: window for window in facts["windows"]}
    assert windows.keys() == {0.1, 1.0, 10.0, 60.0}
    for window in windows.values():
        assert window["dispersion"] == pytest.approx(1.0, abs=4 * math.sqrt(2 / window["windows"]))


def test_even_arrivals_have_none_and_bursts_have_much() -> None:
    even = describe(made("constant:rate=20"))["burstiness"]
    assert even["gap_cv"] == pytest.approx(0.0, abs=1e-6)
    assert [window["dispersion"] for window in even["windows"] if window["window_s"] >= 1] == pytest.approx(
        [0.0, 0.0, 0.0], abs=0.05
    )
    bursts = describe(made("onoff:rate=20,on_s=2,off_s=8"))["burstiness"]
    assert bursts["gap_cv"] > 3
    assert max(window["dispersion"] for window in bursts["windows"]) > 50


def test_dispersion_counts_windows_in_which_nothing_comes() -> None:
    # 20 whole windows of a second; two requests in one of them, none in others
    times = [0.0, 0.5, 5.0, 9.0, 9.1, 9.2, 20.0]
    window = next(w for w in describe(trace(times))["burstiness"]["windows"] if w["window_s"] == 1.0)
    counts = [2, 0, 0, 0, 0, 1, 0, 0, 0, 3] + [0] * 10
    mean = sum(counts) / 20
    assert window["windows"] == 20
    assert window["dispersion"] == pytest.approx(sum((c - mean) ** 2 for c in counts) / 20 / mean)
    assert window["peak_to_mean"] == pytest.approx(3 / mean)


def test_peaks_are_the_fullest_windows() -> None:
    facts = describe(trace([0.0, 0.2, 0.4, 3.0, 12.0], [1, 1, 1, 100, 1], [5, 5, 5, 1, 1]))
    second, ten = facts["peaks"]
    assert (second["window_s"], second["requests_per_s"]) == (1.0, 3.0)
    assert (second["tokens_in_per_s"], second["tokens_out_per_s"]) == (100.0, 15.0)
    assert (ten["requests_per_s"], ten["tokens_in_per_s"]) == (0.4, 10.3)


def test_stretches_of_time_are_round_and_hold_all_requests() -> None:
    one = made("sinusoidal:rate=20,amplitude=0.9,period_s=1200")
    rows = describe(one)["over_time"]
    assert sum(row["requests"] for row in rows) == len(one)
    assert rows[1]["from_s"] - rows[0]["from_s"] == 120.0
    assert rows[-1]["to_s"] == one.arrival_s[-1]
    rates = [row["requests_per_s"] for row in rows]
    assert rates.index(max(rates)) in (2, 3)  # the peak is after a quarter of the period
    assert max(rates) == pytest.approx(20 * 1.9, rel=0.1)
    total = sum(row["tokens_in_per_s"] * (row["to_s"] - row["from_s"]) for row in rows)
    assert total == pytest.approx(sum(one.prompt_tokens))


@given(st.floats(1e-9, 1e9), st.integers(1, 300))
def test_stretches_are_never_more_than_asked_for(span_s: float, bins: int) -> None:
    width_s = bin_width(span_s, bins)
    assert width_s * bins >= span_s * 0.999
    assert width_s in BIN_WIDTHS_S or width_s == span_s


@given(st.lists(st.floats(0.0, 1e9), min_size=1, max_size=30), st.integers(1, 40))
def test_any_trace_can_be_described_and_said_in_json(times: list[float], bins: int) -> None:
    facts = describe(trace(sorted(times)), bins)
    assert sum(row["requests"] for row in facts["over_time"]) in (0, len(times))
    assert len(facts["over_time"]) <= bins + 1
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_correlation_of_what_belongs_together() -> None:
    times = [float(n) for n in range(6)]
    same = describe(trace(times, [1, 2, 3, 4, 5, 60], [2, 4, 6, 8, 10, 120]))["correlation_of_prompt_and_output"]
    assert same == {"pearson": pytest.approx(1.0), "spearman": pytest.approx(1.0)}
    bent = describe(trace(times, [1, 2, 3, 4, 5, 60], [36, 25, 16, 9, 4, 1]))["correlation_of_prompt_and_output"]
    assert bent["spearman"] == pytest.approx(-1.0)
    assert -1.0 < bent["pearson"] < 0.0
    assert describe(trace(times))["correlation_of_prompt_and_output"] == {"pearson": None, "spearman": None}
    ties = describe(trace([0.0, 1.0, 2.0, 3.0], [1, 1, 2, 2], [1, 2, 1, 2]))["correlation_of_prompt_and_output"]
    assert ties["spearman"] == pytest.approx(0.0)


def test_applications_share_the_load_between_them() -> None:
    one = trace([0.0, 1.0, 2.0, 3.0, 4.0], [10, 20, 30, 40, 50], [1, 2, 3, 4, 5])
    one.application_id[1] = one.application_id[3] = 7
    facts = describe(one)
    first, second = facts["by_application"]
    assert (first["application_id"], first["requests"], second["application_id"], second["requests"]) == (0, 3, 7, 2)
    assert first["prompt_tokens"]["total"] == 90
    assert second["output_tokens"]["mean"] == 3.0
    assert first["tokens_in_per_s"] + second["tokens_in_per_s"] == pytest.approx(facts["tokens_in_per_s"])


def test_a_sparkline_has_a_bar_for_each_value() -> None:
    assert sparkline([0.0, None, 1.0, 4.0, 8.0]) == "  ▂▅█"
    assert sparkline([]) == ""


@pytest.mark.parametrize("times", [[5.0], [5.0, 5.0], [0.0, 1.0], [n / 7 for n in range(5000)]])
def test_a_picture_is_drawn_of_any_trace(tmp_path: Path, times: list[float]) -> None:
    draw(trace(times), tmp_path / "t.png")
    picture = imread(tmp_path / "t.png")
    assert picture.shape[:2] == (960, 1440)
    assert picture[..., :3].std() > 0.01  # not blank
    assert [path.name for path in tmp_path.iterdir()] == ["t.png"]


def figures(facts: object, path: str = "") -> dict[str, object]:
    """By path, without the times at which something is."""
    if isinstance(facts, dict | list):
        parts = facts.items() if isinstance(facts, dict) else enumerate(facts)
        return {name: value for key, part in parts for name, value in figures(part, f"{path}.{key}").items()}
    moments = ("times_count_from_s", "first_arrival_s", "last_arrival_s", "sha256", "from_s", "to_s")
    return {} if path.rpartition(".")[2] in moments else {path: facts}


@pytest.mark.parametrize("shift_s", [0.3, 10_000.0, 86_399.9, 90_000.0, 1.7e9])
def test_what_is_said_of_a_trace_does_not_depend_on_where_its_time_starts(shift_s: float) -> None:
    times = [n / 10 for n in range(1200)]  # at the edges of all windows
    facts, shifted = describe(trace(times)), describe(trace([time_s + shift_s for time_s in times]).on_run_clock())
    assert [window["requests_per_s"] for window in facts["peaks"]] == [10.0, 10.0, 10.0]
    assert [row["requests"] for row in facts["over_time"]] == [100] * 12
    wanted = figures(facts)
    assert figures(shifted).keys() == wanted.keys()
    for name, value in figures(shifted).items():
        assert value == (pytest.approx(wanted[name], rel=1e-6, abs=1e-9) if isinstance(value, float) else wanted[name])


def test_a_trace_in_unix_time_says_from_where_its_times_count() -> None:
    facts = describe(trace([1_700_000_000.5, 1_700_000_003.0]).on_run_clock())
    assert facts["times_count_from_s"] == 1_700_000_000.0
    assert (facts["first_arrival_s"], facts["last_arrival_s"]) == (0.5, 3.0)
    cells = [list(column.cells) for column in overview(facts).columns]
    assert dict(zip(*cells, strict=True))["times count from (s)"] == "1,700,000,000"
    assert "times count from (s)" not in overview(describe(trace([10_000.0, 10_001.0]))).columns[0].cells
