"""Files of benchmark results: what they say, and what is said about those that cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sim_core.errors import SpecError
from sweep.calibrate.formats import FORMATS, MeasuredPoint, read_points
from sweep.calibrate.formats.base import CONSTANT, POISSON, Lengths, content_of
from tests.sweep.calibrate import made

MADE: dict[str, Callable[..., str]] = {
    "vllm": made.vllm,
    "sglang": made.sglang,
    "guidellm": made.guidellm,
    "aiperf": made.aiperf,
    "csv": made.table,
}


def points(tmp_path: Path, text: str) -> list[MeasuredPoint]:
    file = tmp_path / "results"
    file.write_text(text)
    return read_points(file)


def point(tmp_path: Path, text: str) -> MeasuredPoint:
    (found,) = points(tmp_path, text)
    return found


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(SpecError) as error:
        points(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "results"))
    return str(error.value)


def test_every_format_is_tried() -> None:
    assert MADE.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_run_is_the_same_point_in_every_format(name: str, tmp_path: Path) -> None:
    found = point(tmp_path, MADE[name]())
    prompts, outputs = Lengths(made.ISL, made.ISL), Lengths(made.OSL, made.OSL)
    wanted = MeasuredPoint("", prompts, outputs, made.TTFT_MS, made.TPOT_MS, concurrency=8, requests=made.REQUESTS)
    assert replace(found, name="", model="") == wanted
    assert found.name.startswith(str(tmp_path / "results"))
    assert found.model in ("", "tiny")


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_told_by_its_content_and_by_that_of_one_format_alone(name: str, tmp_path: Path) -> None:
    file = tmp_path / "results"
    file.write_text(MADE[name]())
    assert [other for other, known in FORMATS.items() if known.recognises(content_of(file))] == [name]


@pytest.mark.parametrize("text", ["", "hello, world\n", "{}", "[1, 2]", '{"benchmarks": 3}', "\x00"])
def test_a_file_in_no_known_format_is_refused_with_those_that_are(text: str, tmp_path: Path) -> None:
    assert "GuideLLM" in refusal(tmp_path, text)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no-file: cannot be read: No such file"):
        read_points(tmp_path / "no-file")


# -- load -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "load"),
    [
        (made.vllm(request_rate=2.5, max_concurrency=None), (None, 2.5, POISSON)),
        (made.vllm(request_rate=2.5, max_concurrency=None, burstiness=1e9), (None, 2.5, CONSTANT)),
        (made.vllm(request_rate=2.5, max_concurrency=made.REQUESTS), (None, 2.5, POISSON)),
        (made.vllm(max_concurrency=None), (made.REQUESTS, None, POISSON)),
        (made.sglang(request_rate=2.5, max_concurrency=None), (None, 2.5, POISSON)),
        (made.sglang(max_concurrency=None), (made.REQUESTS, None, POISSON)),
        (made.guidellm({"type_": "poisson", "rate": 2.5}), (None, 2.5, POISSON)),
        (made.guidellm({"type_": "constant", "rate": 2.5}), (None, 2.5, CONSTANT)),
        (made.guidellm({"type_": "synchronous"}), (1, None, POISSON)),
        (made.guidellm({"type_": "throughput", "max_concurrency": 40}), (40, None, POISSON)),
        (made.aiperf({"request_rate": 2.5, "request_rate_mode": "constant"}), (None, 2.5, CONSTANT)),
        (made.aiperf({"request_rate": 2.5}), (None, 2.5, POISSON)),
        (made.table("1024,64,2.5,1,2", head="isl,osl,rate,ttft_ms,tpot_ms"), (None, 2.5, POISSON)),
    ],
)
def test_a_load_is_clients_or_a_rate(text: str, load: tuple[object, ...], tmp_path: Path) -> None:
    found = point(tmp_path, text)
    assert (found.concurrency, found.rate, found.spacing) == load


# -- lengths ----------------------------------------------------------------------------------------------------------


def test_lengths_of_each_request_are_taken_where_the_benchmark_kept_them(tmp_path: Path) -> None:
    text = made.vllm(input_lens=[10, 30, 0], output_lens=[5, 7, 0], completed=2)
    found = point(tmp_path, text)
    assert (found.prompts, found.outputs) == (Lengths(10, 30, (10, 30)), Lengths(5, 7, (5, 7)))


def test_random_lengths_of_sglang_are_uniform_from_its_ratio_on(tmp_path: Path) -> None:
    total = int(made.REQUESTS * made.ISL * 0.75)
    found = point(tmp_path, made.sglang(random_range_ratio=0.5, total_input_tokens=total, total_output_tokens=80 * 48))
    assert (found.prompts, found.outputs) == (Lengths(512, 1024), Lengths(32, 64))


def test_lengths_of_another_data_set_of_sglang_are_their_mean(tmp_path: Path) -> None:
    found = point(tmp_path, made.sglang(random_range_ratio=0.0, total_input_tokens=made.REQUESTS * 300))
    assert found.prompts == Lengths(300, 300)


def test_lengths_of_guidellm_are_uniform_where_the_mean_is_in_the_middle(tmp_path: Path) -> None:
    def counts(**values: float) -> dict[str, dict[str, float]]:
        return {"successful": values}

    found = point(
        tmp_path,
        made.guidellm(
            prompt_token_count=counts(mean=100.0, min=50.0, max=151.0),
            output_token_count=counts(mean=20.0, min=1.0, max=500.0),
        ),
    )
    assert (found.prompts, found.outputs) == (Lengths(50, 151), Lengths(20, 20))


def test_guidellms_own_word_for_tpot_is_not_taken_for_it(tmp_path: Path) -> None:
    assert point(tmp_path, made.guidellm()).tpot_ms == made.TPOT_MS


def test_a_run_with_outputs_of_one_token_has_no_tpot(tmp_path: Path) -> None:
    assert point(tmp_path, made.vllm(total_output_tokens=made.REQUESTS, mean_tpot_ms=0.0)).tpot_ms is None


def test_lines_of_sglang_and_rows_of_a_table_are_points_of_their_own(tmp_path: Path) -> None:
    found = points(tmp_path, f"{made.sglang()}\n{made.sglang(max_concurrency=16)}\n")
    assert [each.concurrency for each in found] == [8, 16]
    rows = points(tmp_path, made.table("10,5,1,20,,,", "", "20,5,2,,3,,"))
    assert [(each.ttft_ms, each.tpot_ms, each.requests) for each in rows] == [(20, None, None), (None, 3, None)]
    assert len({each.name for each in (*found, *rows)}) == 4


def test_lengths_of_a_table_are_uniform_from_their_least_on(tmp_path: Path) -> None:
    head = "isl,isl_min,osl,osl_min,concurrency,ttft_ms,tpot_ms"
    found = point(tmp_path, made.table("100,80,20,,1,2,3", head=head))
    assert (found.prompts, found.outputs) == (Lengths(80, 100), Lengths(20, 20))
    assert "isl_min=200.0: must be at most isl, 100" in refusal(tmp_path, made.table("100,200,20,,1,2,3", head=head))


def test_older_reports_of_guidellm_are_read(tmp_path: Path) -> None:
    report = json.loads(made.guidellm())
    (run,) = report["benchmarks"]
    run["args"], run["request_totals"] = run.pop("config"), run["metrics"].pop("request_totals")
    assert point(tmp_path, json.dumps(report)).concurrency == 8


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (made.vllm(completed=0), "completed=0: no request was served"),
        (made.vllm(failed=3), "failed=3: requests failed"),
        (made.vllm(mean_ttft_ms=None), "mean_ttft_ms: is missing"),
        (made.vllm(mean_tpot_ms="fast"), "mean_tpot_ms='fast': must be a finite number"),
        (made.vllm(mean_ttft_ms=-1), "mean_ttft_ms=-1"),
        (made.vllm(total_input_tokens=10), "total_input_tokens=10: must be a number of tokens from 1"),
        (made.vllm(request_rate=3), "max_concurrency=8: limits the clients of a request_rate"),
        (made.vllm(max_concurrency=0), "max_concurrency=0: must be at least 1"),
        (made.vllm(request_rate=3, max_concurrency=None, burstiness=0.5), "burstiness=0.5: only Poisson"),
        (made.vllm(ramp_up_strategy="linear"), "ramp_up_strategy='linear': a rate that changes"),
        (made.vllm(input_lens=[1, "x"]), "input_lens="),
        (made.sglang(request_rate="trace"), "line 1: request_rate='trace'"),
        (made.guidellm({"type_": "sweep"}), "type_='sweep': unknown name"),
        (made.guidellm({"type_": "throughput"}), "a throughput run without max_concurrency"),
        (
            made.guidellm(time_to_first_token_ms={}),
            "benchmarks.0.metrics.time_to_first_token_ms.successful: is missing",
        ),
        ('{"benchmarks": []}', "has no benchmark"),
        (made.aiperf(time_to_first_token=None), "time_to_first_token: is missing; run AIPerf with --streaming"),
        (made.aiperf(inter_token_latency={"unit": "s", "avg": 1.0}), "inter_token_latency.unit='s': unknown name"),
        (made.aiperf(input_config={}), "input_config.loadgen: is missing"),
        (made.aiperf({}), "input_config.loadgen.concurrency: is missing"),
        (made.aiperf({"request_rate": 2, "concurrency": 8}), "measure with one of the two"),
        (made.table("1,2"), "row 1: has 2 cells; the header has 7"),
        (made.table("1,2,x,4,5,6,"), "row 1: concurrency='x': must be a number"),
        (made.table("0,2,3,4,5,6,"), "row 1: isl=0.0: must be a number of tokens from 1"),
        (made.table("1,2,,4,5,6,"), "one of concurrency and rate"),
        (made.table("1,2,3,,,6,"), "give each row a time"),
        (made.table(head="isl,osl,concurrency,ttft_ms,tpot"), "column 'tpot_ms' is missing; did you mean 'tpot'?"),
        (made.table(" ", " "), "has no row below its header"),
    ],
)
def test_a_run_that_cannot_be_compared_is_one_line_with_its_reason(text: str, said: str, tmp_path: Path) -> None:
    assert said in refusal(tmp_path, text)
