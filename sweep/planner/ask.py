"""Writes the experiment that a question in words stands for: `python -m sweep plan` and `sweep.plan` in Python.

The text is an ordinary experiment file with `find:`, kept with the results; whoever wants to know or change more than
the question's words say goes on from there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import Any

import yaml

from configs.compose import CONFIG_DIR
from sim_core.errors import SpecError, choices
from sweep.experiment.budget import KINDS
from sweep.experiment.design import MACHINES, PROMPT, TOKEN
from sweep.experiment.question import parse_question
from sync.results.slo import PAPER, Slo
from sync.results.slo_file import parse_slo, read_slo
from traces.recipe_file import SUFFIX
from traces.sizes import workload_names
from traces.workload import SUFFIXES

DESIGNS: Mapping[str, Mapping[str, str]] = {  # the paper's
    "baseline-a100": {"baseline": "dgx-a100"},
    "baseline-h100": {"baseline": "dgx-h100"},
    "splitwise-aa": {"prompt": "dgx-a100", "token": "dgx-a100"},
    "splitwise-hh": {"prompt": "dgx-h100", "token": "dgx-h100"},
    "splitwise-ha": {"prompt": "dgx-h100", "token": "dgx-a100"},
    "splitwise-hhcap": {"prompt": "dgx-h100", "token": "dgx-h100-pcap"},
}
DURATION = "10min"
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(min|s)")
_LIMIT = re.compile(r"(\w+)\.(p\d+)=([0-9.]+)(s|ms|x)")
_UNITS = {"s": ("seconds", 1.0), "ms": ("seconds", 1e-3), "x": ("slowdown", 1.0)}


@dataclass(frozen=True)
class Words:
    """A question in words. `most` or `least` is its measure; `rate` is the load (requests a second, several for several
    questions); `workload` names workloads, or one file of a trace or a recipe; `budget` is `cost=1500`, `dgx-h100=40`
    or `watts:dgx-h100=40`; `slo` is `paper`, a file of limits or `ttft.p99=1s,tbt.p99=5x`. `machines`,
    `prompt_machines` and `token_machines` are values of axes, such as `range(1, 41)`. The rest is as in experiments."""

    most: str = ""
    least: str = ""
    rate: str = ""
    workload: str = "conv"
    slo: str = "paper"
    budget: str = ""
    designs: str = ""
    duration: str = DURATION
    model: str = ""
    scheduler: str = ""
    machines: str = ""
    prompt_machines: str = ""
    token_machines: str = ""
    width: str = ""
    confidence: str = ""
    seeds: int | None = None
    name: str = ""


def words_from(given: Mapping[str, object]) -> Words:
    """The words that a call in Python gives; numbers and lists are taken, too. Raises SpecError for others."""
    known = [part.name for part in fields(Words)]
    for name in given:
        if name not in known:
            raise SpecError(f"no such part of a question{choices(name, known)}", key=name)
    texts = {name: value if name == "seeds" else _text(value) for name, value in given.items()}
    return Words(**texts)  # type: ignore[arg-type]


def _text(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, list | tuple | range) else str(value)


def experiment_text(words: Words) -> str:
    """The experiment that asks the question. Raises SpecError for words that make no question."""
    find = _find(words)
    slo = _slo(words.slo)
    filename, folder = _trace(words)
    content: dict[str, Any] = {}
    if slo != PAPER:
        content["slo"] = slo.as_plain()
    if words.budget:
        content["budget"] = _budget(words.budget)
    content["overrides"] = {"performance_model": "db", "trace.filename": filename, **folder, **_settings(words)}
    content["axes"] = _axes(words, is_named=not folder)
    content["systems"] = _systems(words)
    name = words.name or _name(words, content)
    lines = [f"# {_title(words)}", f"name: {name}", f"find: {_flow(find)}"]
    for key, value in content.items():
        is_block = key in ("overrides", "axes", "systems")
        lines += [f"{key}:", *(f"  {part}: {_flow(own)}" for part, own in value.items())] if is_block and value else []
        lines += [] if is_block else [f"{key}: {_flow(value)}"]
    return "\n".join(lines) + "\n"


def save_text(path: Path, text: str) -> None:
    """Write an experiment to a new file. Raises SpecError where there is one, or none can be."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        reason = "there is such a file: name another" if isinstance(error, FileExistsError) else str(error.strerror)
        raise SpecError(reason, key="--save", value=str(path)) from error


def _find(words: Words) -> dict[str, Any]:
    if bool(words.most) == bool(words.least):
        reason = "say one of the two: --most rate, or --least cost (power, watts, machines)"
        raise SpecError(reason, key="the question")
    asked = {"most": words.most} if words.most else {"least": words.least}
    options = {"width": words.width, "confidence": words.confidence, "seeds": words.seeds}
    find = asked | {name: value for name, value in options.items() if value not in ("", None)}
    parse_question(find)
    return find


def _trace(words: Words) -> tuple[str, dict[str, str]]:
    """The name of the trace, and its folder where it is a file."""
    known = workload_names()
    workloads = [part.strip() for part in words.workload.split(",") if part.strip()]
    if words.most and words.rate:
        raise SpecError("the highest rate is what is searched: leave --rate out", key="--rate", value=words.rate)
    if workloads and all(workload in known for workload in workloads):
        if words.least and not words.rate:
            raise SpecError("say the load that is to be carried, such as --rate 40", key="--rate")
        return f"rr_${{workload}}_${{rate}}_{_duration(words.duration)}", {}
    path = Path(words.workload)
    suffix = next((suffix for suffix in (*SUFFIXES, SUFFIX) if path.name.endswith(suffix)), "")
    if not suffix or not path.is_file():
        wrong = next((workload for workload in workloads if workload not in known), words.workload)
        reason = f"neither a workload{choices(wrong, known)} nor the file of a trace or a recipe"
        raise SpecError(reason, key="--workload", value=wrong)
    name = path.name.removesuffix(suffix)
    has_rate = bool(words.most or words.rate)
    return f"{name}@${{rate}}" if has_rate else name, {"trace.dir": str(path.parent.absolute())}


def _duration(text: str) -> str:
    found = _DURATION.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise SpecError("must be a time such as 10min or 600s", key="--duration", value=text)
    return text.strip()


def _settings(words: Words) -> dict[str, str]:
    """The settings of the model and the scheduler."""
    settings = {}
    if words.model:
        known = sorted(path.stem for path in (CONFIG_DIR / "model_repo" / "architectures").glob("*.yaml"))
        if words.model not in known:
            raise SpecError(f"no such model{choices(words.model, known)}", key="--model", value=words.model)
        settings["applications.0.model_architecture"] = words.model
        settings["applications.0.model_size"] = f"{words.model}-fp16"
    if words.scheduler:
        settings["applications.0.scheduler"] = words.scheduler
    return settings


def _axes(words: Words, *, is_named: bool) -> dict[str, Any]:
    axes: dict[str, Any] = {"workload": words.workload} if is_named else {}
    number = _number(words.rate)
    return axes | ({"rate": words.rate if number is None else number} if words.rate else {})


def _systems(words: Words) -> dict[str, Any]:
    names = [part.strip() for part in words.designs.split(",") if part.strip()] or list(DESIGNS)
    systems: dict[str, Any] = {}
    for name in names:
        if name not in DESIGNS:
            raise SpecError(f"no such design{choices(name, DESIGNS)}", key="--designs", value=name)
        design = DESIGNS[name]
        counts = {MACHINES: words.machines} if "baseline" in design else {}
        if not counts:
            counts = {PROMPT: words.prompt_machines, TOKEN: words.token_machines}
        axes = {axis: values for axis, values in counts.items() if values}
        systems[name] = {"design": dict(design), **({"axes": axes} if axes else {})}
    return systems


def _budget(text: str) -> dict[str, Any]:
    """`cost=1500`, `dgx-h100=40` (as much as they cost), `watts:dgx-h100=40`."""
    name, equals, number = (part.strip() for part in text.partition("="))
    kind, colon, sku = name.partition(":")
    amount = _number(number)
    if not equals or amount is None or (colon and (kind not in KINDS or not sku)):
        reason = f"say cost=1500, dgx-h100=40, or another of {', '.join(KINDS)}, such as watts:dgx-h100=40"
        raise SpecError(reason, key="--budget", value=text)
    if colon:
        return {kind: {sku: amount}}
    return {name: amount} if name in KINDS else {"cost": {name: amount}}


def _number(text: str) -> int | float | None:
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return None


def _slo(text: str) -> Slo:
    """The limits: `paper`, `ttft.p99=1s,tbt.p99=5x`, or those in a file."""
    if text == "paper":
        return PAPER
    if "=" not in text:
        return read_slo(Path(text))
    limits: dict[str, dict[str, dict[str, float]]] = {}
    for part in text.split(","):
        if (found := _LIMIT.fullmatch(part.strip())) is None or (value := _number(found[3])) is None:
            raise SpecError("a limit is written ttft.p99=1s, tbt.p99=200ms or e2e.p90=3x", key="--slo", value=part)
        unit, factor = _UNITS[found[4]]
        limits.setdefault(unit, {}).setdefault(found[1], {})[found[2]] = value * factor
    return parse_slo(limits, key="--slo")


def _name(words: Words, content: Mapping[str, Any]) -> str:
    """A name for the results. Questions that differ in more than it says have a part of their digest in it, but for
    `find`, so that a finer question goes on from the runs of a coarser one."""
    asked = f"most-{words.most}" if words.most else f"least-{words.least}"
    workload = Path(words.workload).name.partition(".")[0] if "/" in words.workload else words.workload
    parts = ["plan", asked, *re.findall(r"[A-Za-z0-9.]+", f"{workload} {words.rate}")]
    usual = Words(most=words.most, least=words.least, rate=words.rate, workload=words.workload)
    if any(getattr(words, part) != getattr(usual, part) for part in _IN_DIGEST):
        parts.append(hashlib.sha256(repr(content).encode()).hexdigest()[:6])
    return "-".join(parts)[:100]


_IN_DIGEST = (
    *("slo", "budget", "designs", "duration", "model", "scheduler"),
    *("machines", "prompt_machines", "token_machines"),
)


def _title(words: Words) -> str:
    if words.most:
        on = f" for {words.budget}" if words.budget else ""
        return f"How many requests a second of {words.workload} does each design carry{on}?"
    load = f"{words.rate} requests a second of {words.workload}" if words.rate else words.workload
    within = f" within {words.budget}" if words.budget else ""
    return f"Which cluster of each design carries {load} at the least {words.least}{within}?"


def _flow(value: object) -> str:
    """A value as YAML in one line."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = list(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, width=inf, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n...\n").strip()
