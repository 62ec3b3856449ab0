"""A point runs on the simulator as its benchmark ran, on tables of step times that are made up."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from benchmarks.validation import settings
from benchmarks.validation.package import NoDataError, Package
from benchmarks.validation.points import Parallelism, Point
from benchmarks.validation.runs import NO_ROOM, run, run_all, trace_of
from sim_core.batching import BATCHING
from sim_core.options import made
from tests.validation.made import PROMPT_TOKEN_S, STEP_S, Tables, point, split

ENGINES = ("vllm", "sglang", "trtllm")


def package(kv_tokens: int = 100_000) -> Package:
    return cast(Package, Tables(kv_tokens))


@pytest.mark.parametrize("backend", ENGINES)
def test_a_request_alone_waits_for_the_front_end_and_its_prompt(backend: str) -> None:
    outcome = run(point(backend=backend), package())
    front_s = settings.FRONT_S + settings.SERIAL_S + 100 * settings.SERIAL_TOKEN_S
    assert outcome.ttft_ms == pytest.approx(1e3 * (front_s + STEP_S + 100 * PROMPT_TOKEN_S))
    assert outcome.tpot_ms == pytest.approx(1e3 * STEP_S)


@pytest.mark.parametrize("backend", ENGINES)
def test_the_first_token_of_split_phases_comes_with_the_kv_cache(backend: str) -> None:
    outcome = run(split(backend=backend), package())
    front_s = settings.FRONT_S + settings.SERIAL_S + 100 * settings.SERIAL_TOKEN_S
    moved_s = settings.TRANSFER_S + 100 * 1000 / settings.TRANSFER_BYTES_PER_S
    assert outcome.ttft_ms == pytest.approx(1e3 * (front_s + STEP_S + 100 * PROMPT_TOKEN_S + moved_s))
    assert outcome.tpot_ms == pytest.approx(1e3 * STEP_S)


@pytest.mark.parametrize("backend", ENGINES)
def test_a_benchmark_with_many_clients_ends_and_is_the_same_each_time(backend: str) -> None:
    many = point(backend=backend, concurrency=40, is_inferencex=True, engine=Parallelism(1, 1, 2, 1, 2))
    assert run(many, package()) == run(many, package())


def test_lengths_are_spread_where_inferencex_spreads_them_and_else_fixed() -> None:
    fixed, spread = trace_of(point(concurrency=50)), trace_of(point(concurrency=50, is_inferencex=True))
    assert (set(fixed.prompt_tokens), set(fixed.output_tokens)) == ({100}, {11})
    assert (min(spread.prompt_tokens), max(spread.prompt_tokens)) == (80, 100)
    assert (min(spread.output_tokens), max(spread.output_tokens)) == (8, 11)
    assert len(spread) == settings.ROUNDS * 50


@pytest.mark.parametrize("kv_tokens", [0, 110])
def test_a_point_whose_requests_have_no_room_is_not_run(kv_tokens: int) -> None:
    with pytest.raises(NoDataError, match=NO_ROOM):
        run(point(), package(kv_tokens))


def test_points_that_cannot_be_run_are_counted_by_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithEstimates(Tables):
        def estimate(self, _: Point) -> None:
            return None

    monkeypatch.setattr("benchmarks.validation.runs.Package", lambda answers: WithEstimates())
    batch = run_all([point(), point(family="unknown"), split(family="unknown")], {})
    assert [each[0].family for each in batch.outcomes] == ["Llama-3.1-8B"]
    assert batch.not_run == {("aggregated", "no kernels"): 1, ("disaggregated", "no kernels"): 1}


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("is_inferencex", [False, True])
@pytest.mark.parametrize("ranks", [1, 8])
def test_settings_are_options_of_the_engine(backend: str, is_inferencex: bool, ranks: int) -> None:
    for family in ("Llama-3.1-70B", "gpt-oss", "MiniMax-M2.5", "DeepSeek"):
        for concurrency in (1, 2000):
            each = point(backend=backend, family=family, concurrency=concurrency, is_inferencex=is_inferencex)
            options = settings.engine_of(each).options(backend, ranks)
            made(BATCHING[backend].Options, options, backend)


@pytest.mark.parametrize(
    ("version", "is_inferencex", "is_async"),
    [
        ("0.12.0", False, False),
        ("0.14.0", False, True),
        ("0.19.0", True, True),
        ("0.11.2", True, True),
        ("", True, True),
    ],
)
def test_vllm_schedules_asynchronously_where_scripts_say_so_or_it_is_the_default(
    version: str, is_inferencex: bool, is_async: bool
) -> None:
    asked = replace(point(), backend_version=version, is_inferencex=is_inferencex)
    assert settings.engine_of(asked).is_async is is_async


def test_limits_of_requests_hold_for_each_rank_but_with_sglang() -> None:
    for policy, name, factor in (
        ("vllm", "max_num_seqs", 4),
        ("sglang", "max_running_requests", 1),
        ("trtllm", "max_batch_size", 4),
    ):
        assert dict(settings.Engine(8192, 512).options(policy, 4))[name] == 512 * factor
