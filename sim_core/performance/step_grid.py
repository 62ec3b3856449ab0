"""The text of a `StepGridSpec`: JSON with the tables of one deployment, as plain numbers.

    {"format": 2, "source": {"package": "aiconfigurator-core 0.12.0", "engine": "vllm 0.24.0", ...}, "fused": false,
     "shared": {"tokens": [1, ...], "seconds": [...], "experts": [...], "estimated": [...], "norms": [...]},
     "rest": {"tokens": [1, 2, ...], "seconds": [...], "estimated": [...], "norms": [...]},
     "decodes": {"tokens": [1, 2, ...], "sizes": [...], "seconds": [[...], ...]},
     "prompts": {"tokens": [1, ...], "sizes": [[...], ...], "seconds": [[...], ...]}}

`sizes` of decodes is the context of each of them, that of prompts the pairs of a token (see `Step.prompt_pairs`).
`norms` are the part of `seconds`, and of `estimated`, in norms that follow an all-reduce.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim_core.digest import sha256
from sim_core.errors import SpecError
from sim_core.performance.grid_times import Curve, StepGrid, Surface
from sim_core.spec import Deployment, StepGridSpec

FORMAT = 2


def packed(deployment: Deployment, tables: Mapping[str, Any]) -> StepGridSpec:
    """The spec of tables."""
    import json
    from zlib import compress

    text = json.dumps(tables, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    return StepGridSpec(deployment, sha256([text]).hex(), compress(text, 6))


def unpacked(spec: StepGridSpec) -> dict[str, Any]:
    """The tables of a spec. SpecError where its content is not what its digest says."""
    import json  # these here: not needed at every start
    from zlib import decompress, error

    try:
        text = decompress(spec.packed)
    except error:
        text = b""
    if sha256([text]).hex() != spec.sha256:
        raise SpecError("the tables of step times are damaged: they do not have their own digest", key=spec.sha256)
    tables: dict[str, Any] = json.loads(text)
    if tables.get("format") != FORMAT:
        raise SpecError(f"the tables of step times have another format than {FORMAT}", value=tables.get("format"))
    return tables


def engine_of(spec: StepGridSpec) -> str:
    """Whose kernels were measured, with the version: `vllm 0.24.0`; empty where the tables do not say it."""
    return str(unpacked(spec)["source"].get("engine", ""))


def has_norms(spec: StepGridSpec) -> bool:
    """Whether the tables know the time of norms that follow an all-reduce: what `fused_norms` takes away."""
    tables = unpacked(spec)
    return any(seconds > 0.0 for part in ("shared", "rest") for seconds in tables[part]["norms"])


def grid_of(spec: StepGridSpec, *, fused_norms: bool = False) -> StepGrid:
    """The tables of a spec as objects. With `fused_norms` norms that follow an all-reduce take no time of their own:
    one kernel does both."""
    tables = unpacked(spec)
    decodes, prompts = tables["decodes"], tables["prompts"]
    if fused_norms:
        for part in (tables["shared"], tables["rest"]):
            for name in ("seconds", "estimated"):
                part[name] = [max(own - norm, 0.0) for own, norm in zip(part[name], part["norms"], strict=True)]
    return StepGrid(
        shared=Curve(tables["shared"]["tokens"], tables["shared"]["seconds"]),
        experts=Curve(tables["shared"]["tokens"], tables["shared"]["experts"]),
        estimated=Curve(tables["shared"]["tokens"], tables["shared"]["estimated"]),
        rest=Curve(tables["rest"]["tokens"], tables["rest"]["seconds"]),
        estimated_rest=Curve(tables["rest"]["tokens"], tables["rest"]["estimated"]),
        prompts=Surface(prompts["tokens"], prompts["sizes"], prompts["seconds"]),
        decodes=Surface(decodes["tokens"], [decodes["sizes"]] * len(decodes["tokens"]), decodes["seconds"]),
        ranks=spec.deployment.data_parallelism,
        is_fused=tables["fused"],
    )
