"""What the value of each field of an outcome, and of a sweep, is in JSON; docs/results-folder.md lists it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, get_args

from configs.gpu_power import Origin
from sim_core import plugin_file
from sim_core.spec import PROMPT, TOKEN
from sync.results import checks
from sync.results.metrics import METRICS
from sync.results.slo import UNITS

Status = Literal["completed", "stopped", "failed"]
STATUSES: tuple[str, ...] = get_args(Status)
# Both become file names: neither may climb out of its folder.
KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
SWEEP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
# An override is an argument of a command: no option, and no setting of Hydra, which may name code and files.
_OVERRIDE = r"[+~]{0,2}(?!hydra\b)\w[^\x00-\x1f\ud800-\udfff=]*(=[^\x00\ud800-\udfff]*)?"
_NAME = checks.text(1, checks.MOST_NAME)
_AMOUNT = checks.number(0.0, checks.MOST_FIGURE)
_SHA256 = checks.form("[0-9a-f]{64}", "a SHA-256: 64 of the signs 0-9 and a-f")
_PLUGIN_FILE = checks.form(plugin_file.NAME, "the name of a Python file")
_MOST_PLUGIN = 1 << 26  # characters; `sim_core.limits.Limits.plugin_bytes` is far below
_MACHINES = checks.mapping(_NAME, checks.whole(0, 10**9))
_OF_GPUS: Mapping[str, checks.Check] = {
    "processor": _NAME,
    **dict.fromkeys(("application_id", "tensor_parallelism"), checks.whole(-(2**63), 2**63 - 1)),
    **dict.fromkeys(("idle_s", "prompt_s", "token_s"), checks.number(0.0, checks.MOST_FIGURE)),
}
_POWER_OF_GPUS: Mapping[str, checks.Check] = {
    **dict.fromkeys(("idle_w", "prompt_w", "token_w"), checks.number(0.0, checks.MOST_FIGURE)),
    "origin": checks.one_of(*get_args(Origin)),
}


def _gpus(key: str, value: object) -> None:
    checks.mapping(_NAME, checks.plain)(key, value)
    checks.check_fields(value, {**_OF_GPUS, **_POWER_OF_GPUS})
    given = {name for name, _ in checks.pairs(key, value)}
    expected = _OF_GPUS.keys() | (_POWER_OF_GPUS.keys() if given & _POWER_OF_GPUS.keys() else set())
    if missing := expected - given:
        raise checks.BadField("is missing", key=f"{key}.{min(missing)}")


FIELDS: Mapping[str, checks.Check] = {
    **dict.fromkeys(("name", "system"), _NAME),
    **dict.fromkeys(("design", "workload", "trace"), checks.text(0, checks.MOST_NAME)),
    "key": checks.form(KEY.pattern, "a content key: letters, digits, - and _"),
    "index": checks.whole(0, checks.MOST_COUNT),
    "overrides": checks.each(checks.form(_OVERRIDE, "KEY=VALUE, of a key that is none of Hydra's own")),
    "axes": checks.mapping(_NAME, checks.plain),
    "machines": _MACHINES,
    **dict.fromkeys(("cost", "power", "watts"), _AMOUNT),
    "rate": checks.optional(_AMOUNT),
    "concurrency": checks.optional(checks.whole(1, checks.MOST_COUNT)),
    "trace_identity": checks.text(0, checks.MOST_NAME),
    "seed": checks.whole(-(2**63), 2**63 - 1),
    "status": checks.one_of(*STATUSES),
    "error": checks.optional(checks.text()),
    "summary": checks.pairs,  # `checks.figures` makes numbers of it
    "config_yaml": checks.text(),
    **dict.fromkeys(("cpu_s", "wall_s"), checks.number(0.0, checks.MOST_S)),
    "started_at": checks.moment,
    "version": checks.text(0, 100),
    "core": checks.text(0, 300),
    "git_commit": checks.optional(checks.form("[0-9a-f]{7,64}", "a commit: 7 to 64 of the signs 0-9 and a-f")),
    "roles": checks.mapping(checks.one_of(PROMPT, TOKEN), _MACHINES),
    "model": checks.text(0, checks.MOST_NAME),
    "performance_model": checks.text(0, checks.MOST_NAME),
    "batching": checks.text(0, checks.MOST_NAME),
    "kernels": checks.text(0, checks.MOST_NAME),
    "gpus": checks.each(_gpus),
    "horizon_s": checks.optional(checks.number(0.0, checks.MOST_S)),
    "counts": checks.mapping(_NAME, checks.each(checks.whole(0, checks.MOST_COUNT))),
    "asked": checks.text(0, checks.MOST_NAME),
    "plugins": checks.mapping(_PLUGIN_FILE, _SHA256),
    "goodput_limits": checks.mapping(
        checks.one_of(*(f"{metric}_{unit}" for unit, _ in UNITS.values() for metric in METRICS)), _AMOUNT
    ),
}
_FIGURES_OF_A_MACHINE: Mapping[str, checks.Check] = {
    **dict.fromkeys(("dollars_per_hour", "power_weight", "watts", "gpu_watts"), _AMOUNT),
    **dict.fromkeys(("source", "watts_source"), checks.text(0, checks.MOST_NAME)),
}


def _figures_of_a_machine(key: str, value: object) -> None:
    checks.mapping(_NAME, checks.plain)(key, value)
    checks.check_fields(value, _FIGURES_OF_A_MACHINE, may_have_others=True)


_FIELDS_OF_A_PLUGIN: Mapping[str, checks.Check] = {"file": _PLUGIN_FILE, "text": checks.text(0, _MOST_PLUGIN)}


def _plugin(key: str, value: object) -> None:
    checks.mapping(checks.one_of(*_FIELDS_OF_A_PLUGIN), checks.text(0, _MOST_PLUGIN))(key, value)
    checks.check_fields(value, _FIELDS_OF_A_PLUGIN)


FIELDS_OF_A_SWEEP: Mapping[str, checks.Check] = {
    "name": checks.form(SWEEP_NAME.pattern, "a sweep's name: letters, digits, spaces and . _ -"),
    "sweep_id": _NAME,
    **dict.fromkeys(("description", "experiment_text"), checks.text()),
    "command": checks.command,
    "points": checks.whole(0, checks.MOST_COUNT),
    "starts": checks.each(checks.text()),
    "systems": checks.mapping(_NAME, checks.each(_AMOUNT)),  # rates
    "machines": checks.mapping(_NAME, _figures_of_a_machine),
    "plugins": checks.mapping(_SHA256, _plugin),
}


def is_key(text: str) -> bool:
    """Whether a text can be a content key, and so the name of an entry's file."""
    return KEY.fullmatch(text) is not None
