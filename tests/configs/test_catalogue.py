"""What a run may name: models with their sizes, and machines with their prices."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from configs.catalogue import machines, models, what_fits
from configs.fitting import fits_named
from sim_core.errors import CapacityError
from sweep.single.command import main
from sweep.single.listing import list_

NEW = {"llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "qwen3-32b", "qwen3-235b"}
NEW |= {"deepseek-r1", "gpt-oss-120b", "kimi-k2.5", "minimax-m2.5"}
MODELS = {model.name: model for model in models()}
MACHINES = {machine.name: machine for machine in machines()}


def listed(name: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert list_(name, arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "parameters", "kv_bytes"),
    [  # parameters: as the models' authors count them; KV cache: 2 bytes x 2 x layers x heads x width
        ("llama-3.1-8b", 8_030_261_248, 2 * 2 * 32 * 8 * 128),
        ("llama-3.1-70b", 70_553_706_496, 2 * 2 * 80 * 8 * 128),
        ("llama-3.1-405b", 405_853_388_800, 2 * 2 * 126 * 8 * 128),
        ("qwen3-32b", 32_762_123_264, 2 * 2 * 64 * 8 * 128),
        ("qwen3-235b", 235_093_634_560, 2 * 2 * 94 * 4 * 128),
        ("gpt-oss-120b", 116_829_156_672, 2 * 2 * 18 * 8 * 64),  # every second layer has a window
        ("deepseek-r1", 671_026_419_200, 2 * 61 * (512 + 64)),
    ],
)
def test_models_have_their_authors_parameters_and_their_attentions_cache(
    name: str, parameters: int, kv_bytes: int
) -> None:
    assert MODELS[name].parameters == parameters
    assert MODELS[name].kv_bytes_per_token == kv_bytes


def test_todays_models_have_a_source_and_weights_that_go_with_their_parameters() -> None:
    bits = {"bf16": (16.0, 16.0), "fp8": (8.0, 9.2), "fp4": (4.4, 5.2), "int4": (4.6, 4.7)}
    for name in NEW:
        model = MODELS[name]
        assert model.source and model.parameters
        for weights in model.weights:
            low, high = bits[weights.precision]
            assert low <= weights.bytes * 8 / model.parameters <= high


def test_every_machine_has_memory_links_watts_and_sources() -> None:
    for machine in MACHINES.values():
        assert machine.gpus and machine.gpu_memory_bytes and machine.watts and machine.dollars_per_hour
        assert machine.gpu_link_gb_per_s > 0 and machine.machine_link_gb_per_s > 0
        assert machine.memory_source and machine.price_source and machine.watts_source


@pytest.mark.parametrize(("name", "known"), [("models", MODELS), ("machines", MACHINES)])
def test_the_lists_name_all_that_there_is_as_a_table_and_for_programs(
    name: str, known: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert all(entry in listed(name, capsys) for entry in known)
    assert {entry["name"] for entry in json.loads(listed(name, capsys, "--format", "json"))} == known.keys()


@pytest.mark.parametrize(("typed", "word"), [("model", "models"), ("machine", "machines"), ("calibrat", "calibrate")])
def test_a_word_that_is_nearly_one_is_told_which(
    typed: str, word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["sim_core", typed])
    assert main() == 2
    assert capsys.readouterr().err == f"error: cannot read '{typed}': did you mean '{word}'? An override is key=value\n"


def test_a_model_that_does_not_fit_is_named_with_what_would() -> None:
    config = {"applications": [{"model_architecture": "llama-3.1-405b"}]}
    text = r"too large; what fits: .*llama-3.1-405b-fp8 on 8 GPUs of a dgx-h100"
    with pytest.raises(CapacityError, match=text) as it, fits_named(config):
        raise CapacityError("too large")
    assert "\n" not in str(it.value)


def test_weights_that_a_gpu_cannot_compute_with_do_not_fit_it() -> None:
    fp4 = [text for name in NEW for text in what_fits({name}) if "-fp4 on" in text and "gpt-oss" not in text]
    assert fp4
    assert all(text.rpartition(" ")[2] in ("dgx-b200", "dgx-b300", "gb200") for text in fp4)
    assert not any("fp8 on" in text and "dgx-a100" in text for name in NEW for text in what_fits({name}))
