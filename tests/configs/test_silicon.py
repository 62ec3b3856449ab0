"""Tables of step times from aiconfigurator-core: how they are asked for and kept, and what is said without them."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from random import Random

import pytest

from configs.compose import CONFIG_DIR, Composer
from configs.silicon import ask, facade, names, store
from configs.silicon.facade import Engine, NoDataError, Operations
from configs.silicon.tables import tables_of
from sim_core import SimSpec, SpecError, simulate, spec_from_config
from sim_core.errors import SpecWarning
from sim_core.performance.grid_times import GridTimes
from sim_core.performance.step_grid import grid_of, packed, unpacked
from sim_core.policies import policies_for
from sim_core.spec import Deployment
from sim_core.step import Step
from tests.sim_core import worlds

LLAMA = Deployment("llama-3.1-8b", "bf16", 2, "h100-80gb", 1, 1, 1, "vllm")
DEEPSEEK = Deployment("deepseek-r1", "fp8", 2, "h200-141gb", 8, 8, 8, "sglang")


class FakeEngine:
    """An engine whose operations are formulas: GEMMs in tiles of 128 tokens, experts, and attention by pairs."""

    made: list[names.Way] = []  # noqa: RUF012
    is_alone = True  # on one GPU: nothing is reduced
    without: set[str] = set()  # noqa: RUF012  (backends that have no measurements)

    def __init__(self, model: str, system: str, backend: str, arguments: dict[str, object]) -> None:
        if backend in self.without:
            raise NoDataError("PerfDataNotAvailableError: attention data missing")
        self.made.append(names.Way(model, system, backend, tuple(arguments.items())))

    def _work(self, tokens: int) -> Operations:
        tiles = -(-tokens // 128)
        return [
            ("gemm", 2.0 * tiles, 0.0, "silicon"),
            ("moe", 0.01 * tokens, 0.0, "silicon"),
            ("add_norm_1", 0.5, 0.0, "empirical"),
            *([("x_ar_1", 0.0, 0.0, "silicon")] if self.is_alone else [("x_ar_1", 0.75, 0.0, "silicon")]),
        ]

    def prompts(self, number: int, tokens: int, context: int) -> Operations:
        pairs = number * tokens * (2 * context + tokens)
        return [*self._work(number * tokens), ("attention", 1e-5 * pairs, 0.0, "silicon")]

    def shared(self, tokens: int) -> tuple[Operations, Operations]:
        return self._work(tokens), [("attention", 1e-5 * tokens * tokens, 0.0, "silicon")]

    def decodes(self, number: int, context: int) -> Operations:
        return [*self._work(number), ("attention", 1e-3 * number + 1e-5 * number * context, 0.0, "silicon")]

    def decodes_ms(self, number: int, context: int) -> float:
        return sum(milliseconds for _, milliseconds, *_ in self.decodes(number, context))

    def fallback(self) -> None:
        return None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[names.Way]]:
    """The ways in which engines are asked for, with an empty cache folder and a package that is a fake."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(facade, "Engine", FakeEngine)
    monkeypatch.setattr(facade, "version", lambda: "0.12.0")
    monkeypatch.setattr(facade, "engine_version", lambda system, backend: "1.2.3")
    monkeypatch.setattr(FakeEngine, "made", made := [])
    monkeypatch.setattr(FakeEngine, "without", set())
    ask._grid.cache_clear()
    yield made
    ask._grid.cache_clear()


def spec_of(*overrides: str) -> SimSpec:
    settings = ["performance_model=aiconfigurator", "start_state=vllm", *overrides]
    settings += ["applications.0.model_architecture=llama-3.1-8b", "applications.0.model_size=llama-3.1-8b-bf16"]
    return spec_from_config(Composer().resolved(settings), CONFIG_DIR.parent, grids=ask.grids)


# -- the tables ---------------------------------------------------------------------------------------------------


def test_tables_give_the_engines_own_times_at_and_between_their_points() -> None:
    engine = FakeEngine("model", "system", "vllm", {})
    times = GridTimes(grid_of(packed(LLAMA, tables_of(engine, {}))))  # type: ignore[arg-type]
    dice = Random(5)
    for _ in range(300):
        decodes, context, tokens = dice.randint(1, 600), dice.randint(1, 30_000), dice.randint(1, 9000)
        alone = Step(decodes=decodes, decode_context=decodes * context)
        assert times.seconds(alone, 1) * 1000 == pytest.approx(engine.decodes_ms(decodes, context), rel=0.01)
        prompt = Step(prompt_tokens=tokens, prompt_context=context)
        prompt_ms = sum(milliseconds for _, milliseconds, *_ in engine.prompts(1, tokens, context))
        assert times.seconds(prompt, 1) * 1000 == pytest.approx(prompt_ms, rel=0.01)


def test_the_launches_of_a_step_with_prompts_are_a_setting(asked: list[names.Way]) -> None:
    spec = spec_of("performance_model.launch_s=0.2")
    (instance,) = (kind for state in spec.start_states for kind in state.kinds)
    performance, gpu = policies_for(spec).performance(spec.performance), spec.servers[0].processors[0].name
    times = performance.times_for(spec.applications[0].model, gpu, instance)
    assert times.seconds(Step(prompt_tokens=1), 1) == 0.2
    with pytest.raises(SpecError, match=r"launch_s=-1: must be at least 0"):
        spec_of("performance_model.launch_s=-1")


def test_fused_norms_say_where_there_are_none(
    asked: list[names.Way], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.warns(
        SpecWarning, match=r"fused_norms has no effect on llama-3.1-8b \(bf16, .*\) on a100-80gb, TP8, vllm"
    ):
        spec_of("performance_model.fused_norms=true")
    ask._grid.cache_clear()
    monkeypatch.setattr(FakeEngine, "is_alone", False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    with warnings.catch_warnings(action="error", category=SpecWarning):
        spec_of("performance_model.fused_norms=true")


def test_a_token_beyond_a_tile_takes_the_next_tiles_time() -> None:
    times = GridTimes(grid_of(packed(LLAMA, tables_of(FakeEngine("m", "s", "vllm", {}), {}))))  # type: ignore[arg-type]
    first, second, third = (times.seconds(Step(prompt_tokens=tokens), 1) for tokens in (1024, 1025, 1026))
    assert second - first > 1.9e-3
    assert third - second < 0.1e-3


def test_what_comes_from_formulas_is_counted_as_estimated() -> None:
    times = GridTimes(grid_of(packed(LLAMA, tables_of(FakeEngine("m", "s", "vllm", {}), {}))))  # type: ignore[arg-type]
    step = Step(decodes=4, decode_context=400)
    assert times.estimated_share(step) * times.seconds(step, 1) == pytest.approx(0.5e-3)


def test_norms_are_told_apart_where_an_all_reduce_is_before_them() -> None:
    alone, several = FakeEngine("m", "s", "vllm", {}), FakeEngine("m", "s", "vllm", {})
    several.is_alone = False
    first, second = (tables_of(engine, {}) for engine in (alone, several))  # type: ignore[arg-type]
    for part in ("shared", "rest"):
        assert set(first[part]["norms"]) == {0.0}
        assert set(second[part]["norms"]) == {0.5e-3}


# -- asking and keeping -------------------------------------------------------------------------------------------


def test_a_deployment_is_asked_for_once_and_then_read_from_the_cache(asked: list[names.Way]) -> None:
    first = ask.grids((LLAMA,))
    assert ask.grids((LLAMA, LLAMA)) == first * 2
    assert len(asked) == 1
    ask._grid.cache_clear()  # as in another process
    assert ask.grids((LLAMA,))[0].packed == first[0].packed
    assert len(asked) == 1


@pytest.mark.parametrize("harm", [b"", b"nothing", None], ids=["empty", "overwritten", "cut"])
def test_a_damaged_file_is_asked_for_again(asked: list[names.Way], harm: bytes | None) -> None:
    grid = ask.grids((LLAMA,))
    (file,) = store.folder().iterdir()  # type: ignore[union-attr]
    file.write_bytes(file.read_bytes()[:-5] if harm is None else harm)
    ask._grid.cache_clear()
    assert ask.grids((LLAMA,)) == grid
    assert len(asked) == 2


def test_another_version_of_the_package_is_asked_anew(asked: list[names.Way], monkeypatch: pytest.MonkeyPatch) -> None:
    before = spec_of().digest()
    monkeypatch.setattr(facade, "version", lambda: "0.13.0")
    assert spec_of().digest() != before
    assert unpacked(spec_of().performance.grids[0])["source"]["package"] == "aiconfigurator-core 0.13.0"


def test_a_spec_has_the_tables_of_its_instances_and_of_the_reference_machine(asked: list[names.Way]) -> None:
    spec = spec_of("start_state.instance.tensor_parallelism=2", "start_state.fill_machine=true")
    used, reference = (grid.deployment for grid in spec.performance.grids)
    assert (used.hardware, used.tensor_parallelism, used.engine) == ("a100-80gb", 2, "vllm")
    assert (reference.hardware, reference.tensor_parallelism) == ("a100-80gb", 8)
    assert len(spec.canonical()) < 10_000  # digests in place of the tables


def test_a_spec_that_was_sent_to_a_worker_needs_neither_the_package_nor_the_cache(
    asked: list[names.Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, requests = spec_of(), worlds.trace([(0.0, 100, 20), (0.1, 3000, 5)])
    here = simulate(spec, requests)
    sent = pickle.dumps(spec)
    monkeypatch.setattr(facade, "Engine", None)
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    ask._grid.cache_clear()
    there = simulate(pickle.loads(sent), requests)
    assert str(there.requests) == str(here.requests)
    assert there.completed == 2


def test_the_engine_follows_from_the_batching_policy_unless_it_is_named(asked: list[names.Way]) -> None:
    engines = [
        spec_of(*words).performance.grids[0].deployment.engine
        for words in (["start_state=trtllm"], ["start_state=splitwise"], ["performance_model.engine=sglang"])
    ]
    assert engines == ["trtllm", "vllm", "sglang"]
    with pytest.raises(SpecError, match=r"engine='vlm'.*did you mean 'vllm'"):
        spec_of("performance_model.engine=vlm")


# -- errors -------------------------------------------------------------------------------------------------------


def test_where_the_package_is_missing_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    with pytest.raises(SpecError, match=r"aiconfigurator-core is not installed.*pip install") as error:
        spec_of()
    assert "\n" not in str(error.value)


def test_where_measurements_are_missing_the_error_says_of_what_and_what_there_is(asked: list[names.Way]) -> None:
    FakeEngine.without.add("vllm")
    with pytest.raises(SpecError) as error:
        ask.grids((LLAMA,))
    text = str(error.value)
    assert "no measurements of llama-3.1-8b (bf16, KV cache of 16 bits) on h100-80gb, TP1, vllm" in text
    assert "attention data missing" in text
    assert "there is: llama-3.1-8b (bf16, KV cache of 16 bits) on h100-80gb, TP1, sglang" in text


def test_a_run_without_measurements_of_the_reference_machine_has_none_of_it(asked: list[names.Way]) -> None:
    other = replace(LLAMA, hardware="no-gpu")
    assert [grid.deployment for grid in ask.grids((LLAMA,), (other,))] == [LLAMA]


@pytest.mark.parametrize(
    ("deployment", "text"),
    [
        (replace(LLAMA, model="llama-3.1-80b"), "did you mean 'llama-3.1-8b'"),
        (replace(LLAMA, hardware="h100-90gb"), "did you mean 'h100-80gb'"),
        (replace(LLAMA, precision="fp16"), "did you mean 'bf16'"),
        (replace(LLAMA, expert_parallelism=2), "has no experts"),
        (replace(LLAMA, kv_bytes=4), "1 byte"),
    ],
)
def test_a_deployment_that_cannot_be_asked_for_is_refused(deployment: Deployment, text: str) -> None:
    with pytest.raises(SpecError, match=text):
        list(names.ways(deployment))


# -- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "ranks", "experts", "sizes"),
    [(8, 1, 1, (8, 1, 8, 1)), (8, 1, 8, (8, 1, 1, 8)), (8, 8, 8, (1, 8, 1, 8)), (8, 2, 4, (4, 2, 2, 4))],
)
def test_widths_of_attention_and_of_experts_are_those_of_the_gpus(
    gpus: int, ranks: int, experts: int, sizes: tuple[int, int, int, int]
) -> None:
    deployment = replace(DEEPSEEK, tensor_parallelism=gpus, data_parallelism=ranks, expert_parallelism=experts)
    given = dict(next(names.ways(deployment)).arguments)
    found = (given["tp_size"], given["attention_dp_size"], given["moe_tp_size"], given["moe_ep_size"])
    assert found == sizes
    assert found[0] * found[1] == found[2] * found[3]


def test_attention_by_latents_is_asked_in_bf16() -> None:
    assert {dict(way.arguments)["fmha_quant_mode"] for way in names.ways(DEEPSEEK)} == {"bfloat16"}


def test_gemms_with_scales_by_block_are_the_last_way_on_blackwell() -> None:
    def first(hardware: str) -> object:
        return dict(next(names.ways(replace(DEEPSEEK, hardware=hardware))).arguments)["gemm_quant_mode"]

    assert [first("h200-141gb"), first("b200-180gb")] == ["fp8_block", "fp8"]


@pytest.mark.parametrize("precision", ["bf16", "fp8", "fp4", "int4"])
def test_a_dense_models_gemms_are_asked_in_its_own_precision(precision: str) -> None:
    formats = {"bf16": {"bfloat16", None}, "fp8": {"fp8", "fp8_block"}, "fp4": {"nvfp4"}, "int4": {"int4_wo"}}
    found = {dict(way.arguments).get("gemm_quant_mode") for way in names.ways(replace(LLAMA, precision=precision))}
    assert found == formats[precision]


def test_every_model_and_gpu_with_measurements_is_one_that_a_run_may_name() -> None:
    repos = Composer().resolved([])
    assert names.MODELS.keys() <= repos["model_repo"]["architectures"].keys()
    assert names.SYSTEMS.keys() <= repos["hardware_repo"]["processors"].keys()


# -- the package itself -------------------------------------------------------------------------------------------


def test_the_packages_own_times_are_those_of_the_tables() -> None:
    way = next(names.ways(LLAMA))
    engine = Engine(way.model, way.system, way.backend, dict(way.arguments))
    times = GridTimes(grid_of(packed(LLAMA, tables_of(engine, {}))))
    dice = Random(1)
    errors = []
    for _ in range(200):
        decodes, context, tokens = dice.randint(1, 512), dice.randint(16, 16_384), dice.randint(16, 8192)
        alone = Step(decodes=decodes, decode_context=decodes * context)
        errors.append(times.seconds(alone, 1) * 1000 / engine.decodes_ms(decodes, context) - 1)
        prompt = Step(prompt_tokens=tokens, prompt_context=context)
        errors.append(times.seconds(prompt, 1) * 1000 / engine.prompts_ms(1, tokens, context) - 1)
        mixed = Step(prompt_tokens=tokens, decodes=decodes, decode_context=decodes * (tokens + context))
        errors.append(times.seconds(mixed, 1) * 1000 / engine.mixed_ms(tokens, decodes, tokens + context) - 1)
    assert sorted(map(abs, errors))[int(0.95 * len(errors))] < 0.01


def test_the_package_says_nothing_on_standard_error() -> None:
    program = """
from configs.silicon.facade import Engine
Engine("meta-llama/Meta-Llama-3.1-8B", "h100_sxm", "vllm", {"fmha_quant_mode": "bfloat16"})
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=CONFIG_DIR.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
