"""What is asked of aiconfigurator-core beside step times: KV caches, and its own estimate of each point.

The one file of these benchmarks that imports it. Its answers are kept by their questions, in a file of the user's
cache for each version of the package: it is slow to load.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.validation.points import DENSE, Parallelism, Point
from benchmarks.validation.settings import MEMORY
from configs.silicon import facade, grids
from configs.silicon.names import OTHER_SYSTEMS, SYSTEMS
from sim_core.digest import sha256
from sim_core.errors import SpecError
from sim_core.performance.step_grid import unpacked
from sim_core.spec import Deployment, StepGridSpec
from sim_core.whole_file import replacing

FORMAT = 1  # of what is kept: others are asked anew
PREFILL_FACTOR = 1.8  # by which the package's tool multiplies the prefill of a disaggregated system
NO_KERNELS = "no measured kernels for this parallelism and these formats"
MOST_REQUESTS = 4096  # of a KV cache's question

MODELS: Mapping[str, str] = {  # names of this project, by family
    "DeepSeek": "deepseek-r1",
    "Kimi-K2.5": "kimi-k2.5",
    "Llama-3.1-70B": "llama-3.1-70b",
    "Llama-3.1-8B": "llama-3.1-8b",
    "MiniMax-M2.5": "minimax-m2.5",
    "Qwen3-235B": "qwen3-235b",
    "Qwen3-32B": "qwen3-32b",
    "Qwen3.5-397B": "qwen3.5-397b",
    "gpt-oss": "gpt-oss-120b",
}


class NoDataError(Exception):
    """A point cannot be simulated; its text says why."""


@dataclass(frozen=True, slots=True)
class Way:
    """One engine, as the package knows it."""

    model: str
    system: str
    backend: str
    arguments: tuple[tuple[str, Any], ...]


def name() -> str:
    """The package and its version."""
    return f"{facade.PACKAGE} {facade.version()}"


def kv_formats(point: Point) -> tuple[int, int]:
    """The bytes of an element of the KV cache, the likelier ones first: rows do not tell it."""
    is_fp8 = point.family == "DeepSeek" or (point.is_inferencex and point.family in ("Llama-3.1-70B", "MiniMax-M2.5"))
    return (1, 2) if is_fp8 else (2, 1)


def deployment_of(point: Point, parallelism: Parallelism, kv_bytes: int) -> Deployment:
    """An engine of a point."""
    hardware = {system: name for name, system in {**OTHER_SYSTEMS, **SYSTEMS}.items()}
    return Deployment(
        model=MODELS.get(point.family, point.family),
        precision=point.precision,
        kv_bytes=kv_bytes,
        hardware=hardware.get(point.system, point.system),
        tensor_parallelism=parallelism.gpus,
        data_parallelism=parallelism.data,
        expert_parallelism=1 if point.family in DENSE else parallelism.moe_expert,
        engine=point.backend,
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """The package's own analytic estimate of a point, in ms."""

    ttft_ms: float
    tpot_ms: float


class Package:
    """The package, with the answers that are known already. `new` are those that were asked for here."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = dict(answers)
        self._grids: dict[Deployment, StepGridSpec | None] = {}
        self._ways: dict[str, Way] = {}
        self._sessions: dict[Way, tuple[Any, Any, Any]] = {}
        self.new: dict[str, Any] = {}

    def _answer(self, question: list[Any], ask: Callable[[], Any]) -> Any:
        name = json.dumps(question, sort_keys=True)
        if name not in self._answers:
            self._answers[name] = self.new[name] = ask()
        return self._answers[name]

    # -- engines -------------------------------------------------------------------------------------------------

    def grids(self, point: Point) -> list[StepGridSpec]:
        """The tables of step times of the engines of a point, one for each role. NoDataError where one has none."""
        for kv_bytes in kv_formats(point):
            found = [self._grid(deployment_of(point, each, kv_bytes)) for each in point.engines]
            if None not in found:
                return [grid for grid in found if grid is not None]
        raise NoDataError(NO_KERNELS)

    def _grid(self, deployment: Deployment) -> StepGridSpec | None:
        if deployment not in self._grids:
            is_there = self._answer(["grid", asdict(deployment)], lambda: _has_grid(deployment))
            self._grids[deployment] = grids([deployment])[0] if is_there else None
        return self._grids[deployment]

    def way(self, grid: StepGridSpec) -> Way:
        """How the package was asked for tables."""
        if grid.sha256 not in self._ways:
            self._ways[grid.sha256] = _way_of(grid)
        return self._ways[grid.sha256]

    def kv_cache(self, grid: StepGridSpec, step_tokens: int, requests: int) -> tuple[int, int] | None:
        """The tokens of KV cache of a GPU of an engine, and the bytes of one. None where the weights do not fit."""
        way, requests = self.way(grid), min(requests, MOST_REQUESTS)
        question = ["kv", _facts(way), step_tokens, requests, MEMORY[way.backend]]
        answer = self._answer(question, lambda: _kv_cache(way, step_tokens, requests))
        return None if answer is None else (int(answer[0]), int(answer[1]))

    def engine_versions(self, points: list[Point]) -> dict[str, str]:
        """By engine the versions whose kernels were measured."""
        found: dict[str, set[str]] = {}
        for system, backend in sorted({(point.system, point.backend) for point in points}):
            version = self._answer(["version", system, backend], lambda: _engine_version(system, backend))  # noqa: B023
            found.setdefault(backend, set()).add(version)
        return {backend: ", ".join(sorted(versions)) for backend, versions in sorted(found.items())}

    # -- its own estimate ----------------------------------------------------------------------------------------

    def estimate(self, point: Point) -> Estimate | None:
        """What the package itself says of a point: its `run_agg`, and for disaggregated systems one prefill and a
        static decode. None where it has no answer."""
        ways = [self.way(grid) for grid in self.grids(point)]
        if point.engine is not None:
            both = self._summary(ways[0], "agg", -(-point.concurrency // point.engine.data), point)
            return None if both is None else Estimate(*both)
        assert point.decodes is not None
        batch = -(-point.concurrency // (point.decodes.count * point.decodes.parallelism.data))
        prompt, decode = (
            self._summary(ways[0], "static_ctx", 1, point),
            self._summary(ways[1], "static_gen", batch, point),
        )
        return None if prompt is None or decode is None else Estimate(prompt[0] * PREFILL_FACTOR, decode[1])

    def _summary(self, way: Way, mode: str, batch: int, point: Point) -> tuple[float, float] | None:
        """The TTFT and TPOT that the package gives for a batch, in ms."""
        question = ["estimate", _facts(way), mode, batch, point.isl, point.osl]
        answer = self._answer(question, lambda: self._asked(way, mode, batch, point.isl, point.osl))
        return None if answer is None else (float(answer[0]), float(answer[1]))

    def _asked(self, way: Way, mode: str, batch: int, isl: int, osl: int) -> tuple[float, float] | None:
        from aiconfigurator_core.sdk.config import RuntimeConfig

        try:
            backend, model, database = self._session(way)
            workload = RuntimeConfig(batch_size=batch, isl=isl, osl=osl)
            if mode == "agg":
                summary = backend.run_agg(model, database, workload, ctx_tokens=isl)
            else:
                summary = backend.run_static(model, database, workload, mode=mode)
            row = summary.get_summary_df().iloc[0]
        except Exception:  # no answer is an answer: the point is in no comparison with the package
            return None
        return float(row["ttft"]), float(row["tpot"])

    def _session(self, way: Way) -> tuple[Any, Any, Any]:
        if way not in self._sessions:
            self._sessions[way] = _opened_session(way)
        return self._sessions[way]


def _has_grid(deployment: Deployment) -> bool:
    try:
        grids([deployment])
    except SpecError:
        return False
    return True


def _way_of(grid: StepGridSpec) -> Way:
    source = unpacked(grid)["source"]
    arguments = {name: value for name, value in source.items() if name.endswith(("_size", "_mode"))}
    return Way(source["model"], source["system"], source["engine"].split()[0], tuple(arguments.items()))


def _kv_cache(way: Way, step_tokens: int, requests: int) -> tuple[int, int] | None:
    _said_less()
    from aiconfigurator_core.sdk.memory import estimate_kv_cache

    try:
        found = estimate_kv_cache(
            way.model,
            way.system,
            way.backend,
            _engine_version(way.system, way.backend),
            max_num_tokens=step_tokens,
            max_batch_size=requests,
            memory_fraction_kind="of_free" if way.backend == "trtllm" else "of_total",
            memory_fraction_value=MEMORY[way.backend],
            **dict(way.arguments),
        )
    except Exception:  # of several kinds: the weights do not fit
        return None
    return int(found["total_kv_size_tokens"]), int(found["kv_size_per_token_bytes"])


def _opened_session(way: Way) -> tuple[Any, Any, Any]:
    _said_less()
    from aiconfigurator_core.sdk import perf_database
    from aiconfigurator_core.sdk.backends.factory import get_backend
    from aiconfigurator_core.sdk.config_builders import build_model_config
    from aiconfigurator_core.sdk.models import get_model

    arguments = {"pp_size": 1, "moe_tp_size": 1, "moe_ep_size": 1, **dict(way.arguments)}
    model = get_model(way.model, build_model_config(**arguments), way.backend)
    database = perf_database.get_database(way.system, way.backend, _engine_version(way.system, way.backend))
    return get_backend(way.backend), model, database


def _engine_version(system: str, backend: str) -> str:
    from aiconfigurator_core.sdk import perf_database

    return str((perf_database.get_version_slots(system, backend) or {}).get("current", ""))


def _said_less() -> None:
    """Let the package log nothing: it warns of each table that it reads."""
    logging.getLogger("aiconfigurator_core").setLevel(logging.CRITICAL)
    os.environ.setdefault("RUST_LOG", "error")


def _facts(way: Way) -> list[Any]:
    return [way.model, way.system, way.backend, sorted(map(list, way.arguments))]


# -- what is kept --------------------------------------------------------------------------------------------------


def _file() -> Path | None:
    """Where answers are kept; None where there is no home folder."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:
        return None
    if not base.is_absolute():
        return None
    name = sha256([f"{FORMAT} {facade.version()}".encode()]).hex()
    return base / "llm-cluster-sim" / "validation" / name


def known_answers() -> dict[str, Any]:
    """The answers that were kept; none where the file is missing or damaged."""
    path = _file()
    try:
        found = {} if path is None else json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(answers: Mapping[str, Any]) -> None:
    """Keep these answers and none else. Where that is not possible they are asked for again the next time."""
    path = _file()
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, durable=False) as file:
            file.write(json.dumps(answers, sort_keys=True).encode())
