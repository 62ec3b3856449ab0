"""Networks as they are configured: bandwidths of machines, options, keys, and what is reported."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from configs.compose import CONFIG_DIR, Composer
from sim_core import SimSpec
from sim_core.config import spec_from_config
from sim_core.errors import SpecError
from sim_core.network import NETWORKS
from sim_core.spec import NetworkSpec
from tests.runs import measured
from tests.sim_core import worlds

ROOT = CONFIG_DIR.parent
SPLIT = ["cluster=half_half", "start_state=splitwise", "start_state.split_type=heterogeneous",
         "applications.0.scheduler=kv_jsq"]  # fmt: skip
FILES = {path.stem: path for path in (CONFIG_DIR / "network").glob("*.yaml")}
TRACE = worlds.trace([(row / 8, 40, 12) for row in range(40)])


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


@pytest.fixture
def config(composer: Composer) -> dict[str, Any]:
    return deepcopy(composer.resolved([*SPLIT, "network=shared"]))


def built(config: dict[str, Any]) -> SimSpec:
    return spec_from_config(config, ROOT)


@pytest.mark.parametrize("policy", sorted(NETWORKS))
def test_each_network_has_a_file_of_its_name_with_the_defaults_of_its_options(policy: str) -> None:
    content = yaml.safe_load(Path(FILES[policy]).read_text())
    options = NETWORKS[policy].Options()
    assert content == {"policy": policy} | {name: getattr(options, name) for name in options.__dataclass_fields__}


def test_private_links_are_the_default_and_leave_specs_and_keys_as_they_were(composer: Composer) -> None:
    spec = built(composer.resolved(SPLIT))
    assert spec.network == NetworkSpec()
    assert "network" not in spec.canonical()
    older = composer.resolved(SPLIT)
    del older["network"]
    assert built(older).digest() == spec.digest() == built(composer.resolved([*SPLIT, "network=private"])).digest()
    overlapping = built(composer.resolved([*SPLIT, "network.overlap=true"]))
    assert overlapping.network.options == (("overlap", True),)
    assert overlapping.digest() != spec.digest()


def test_machines_have_the_bandwidths_of_their_data_sheets(config: dict[str, Any]) -> None:
    a100, h100 = built(config).network.links
    assert (a100.sku, a100.machine_bytes_per_s, a100.gpu_bytes_per_s) == ("dgx-a100", 8 * 25e9, 300e9)
    assert (h100.sku, h100.machine_bytes_per_s, h100.gpu_bytes_per_s) == ("dgx-h100", 8 * 50e9, 450e9)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("skus.dgx-a100.interconnects", None, "interconnects.machine: network=shared needs its links to other"),
        ("skus.dgx-a100.interconnects.gpu", None, "interconnects.gpu: network=shared needs the links of a GPU"),
        ("skus.dgx-a100.interconnects.machine.link", "infiniband-hdrr", "did you mean 'infiniband-hdr'"),
        ("skus.dgx-a100.interconnects.machine.count", 0, "count=0: must be at least 1"),
        ("skus.dgx-a100.interconnects.cards", 8, "interconnects.cards: unknown key"),
        ("interconnects.infiniband-hdr.gbit_per_s", 0, "infiniband-hdr.gbit_per_s=0: must be more than 0"),
    ],
)
def test_an_error_names_the_machine_and_what_it_lacks(
    config: dict[str, Any], path: str, value: object, said: str
) -> None:
    *keys, last = path.split(".")
    section = config["hardware_repo"]
    for key in keys:
        section = section[key]
    section[last] = value
    with pytest.raises(SpecError, match=f"hardware_repo.*{said}"):
        built(config)


def test_machines_without_links_run_with_private_ones(config: dict[str, Any]) -> None:
    config["hardware_repo"]["skus"]["dgx-a100"].pop("interconnects")
    config["network"] = {"policy": "private"}
    assert built(config).network == NetworkSpec()


def test_an_unknown_option_is_refused(config: dict[str, Any]) -> None:
    config["network"] = {"policy": "shared", "discipline": "fifo"}
    with pytest.raises(SpecError, match=r"network\.discipline: unknown key"):
        built(config)


def test_what_shared_links_carry_is_reported() -> None:
    plain = worlds.spec("kv_round_robin", count=2)
    shared = measured(replace(plain, network=worlds.network("shared")), TRACE)
    assert shared.links is not None
    assert shared.summary["links/between_bytes"] == shared.links.between_bytes == 40 * 40 * 1000.0
    assert shared.summary["links/inside_bytes"] == 0.0
    seconds = 40 * 40 / 1024
    assert shared.summary["links/busiest_share"] == pytest.approx(seconds / shared.span_s)
    assert not any(name.startswith("links/") for name in measured(plain, TRACE).summary)


def test_a_run_that_is_cut_reports_what_was_sent_until_then() -> None:
    plain = worlds.spec("kv_round_robin", count=2, prompt_s=0.5)
    cut = replace(plain, network=worlds.network("shared"), end_time_s=0.75)
    result = measured(cut, worlds.trace([(1.0, 300, 4)]))  # its transfer begins at 1.5 s
    assert result.links is not None
    assert result.links.between_bytes == pytest.approx(0.25 * 1024 * 1000)
