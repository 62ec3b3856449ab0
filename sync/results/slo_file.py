"""Reading service level objectives: from a file, or from an experiment's text.

    # my_slo.yaml: every limit that is given must hold
    slowdown: {ttft: {p50: 2, p90: 3, p99: 6}, tbt: {p99: 5}}   # times as long as the request alone on a DGX-A100
    seconds: {ttft: {p99: 1.0}, e2e: {p95: 20}}

An experiment has these lines under `slo`, or the name of a file that has them (below its own folder, or configs/).

docs/metrics.md says when a run is within an SLO, and when a single request is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.bounded import parse_yaml, read_text
from sim_core.errors import SpecError, choices
from sync.results.checks import MOST_FIGURE
from sync.results.metrics import METRICS
from sync.results.slo import PAPER, UNITS, Slo


def read_slo(path: Path) -> Slo:
    """The SLO in a file. Raises SpecError for a file that is missing or not YAML, an unknown key, and a bad limit."""
    source = str(path)
    try:
        return parse_slo(parse_yaml(read_text(path, source), source), source)
    except FileNotFoundError as error:
        names = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        raise SpecError(f"no such file of limits{choices(path.name, names)}", source=source) from error
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror or error}", source=source) from error


def slo_of_text(text: str, source: str) -> Slo:
    """The SLO in the text of an experiment file. Raises SpecError."""
    try:
        content = parse_yaml(text, source)
    except SpecError:
        return PAPER  # no sweep could have been started with this text
    return slo_of_experiment(content if isinstance(content, dict) else {}, source)


def slo_of_experiment(content: Mapping[str, Any], source: str, folders: Sequence[Path] = ()) -> Slo:
    """The SLO of an experiment, the paper's where it sets none. A text as its `slo` names a file of limits below one of
    `folders`. Raises SpecError."""
    own = content.get("slo")
    if isinstance(own, str):
        try:
            return read_slo(_file_of_limits(own, source, folders))
        except (OSError, ValueError) as error:  # a name that no file can have
            reason = f"no file has such a name ({getattr(error, 'strerror', None) or error})"
            raise SpecError(reason, key="slo", value=own, source=source) from error
    return PAPER if own is None else parse_slo(own, source, "slo")


def _file_of_limits(name: str, source: str, folders: Sequence[Path]) -> Path:
    """The file called `name` in the first of the folders that has it. Raises SpecError, also where it leads out."""
    if not folders:
        raise SpecError("write the limits here, as `name: value` lines", key="slo", value=name, source=source)
    inside = [folder / name for folder in folders if (folder / name).resolve().is_relative_to(folder.resolve())]
    if (found := next((path for path in inside if path.is_file()), None)) is not None:
        return found
    if len(inside) < len(folders):
        places = " and ".join(map(str, folders))
        raise SpecError(f"leads out of {places}, where files of limits are", key="slo", value=name, source=source)
    names = [str(path.relative_to(folder)) for folder in folders for path in sorted(folder.glob("slo/*.y*ml"))]
    hint = choices(name, names) if names else f"; looked in {', '.join(map(str, folders))}"
    raise SpecError(f"no such file of limits{hint}", key="slo", value=name, source=source)


def parse_slo(raw: object, source: str = "", key: str = "") -> Slo:
    """The SLO in plain values; `source` and `key` name their place in errors. Raises SpecError."""
    limits: dict[str, dict[str, dict[str, float]]] = {}
    for unit, of_unit, unit_key in _lines(raw, tuple(UNITS), source, key):
        for metric, of_metric, metric_key in _lines(of_unit, METRICS, source, unit_key):
            lines = _lines(of_metric, UNITS[unit][1], source, metric_key)
            limits.setdefault(unit, {})[metric] = {name: _limit(value, place, source) for name, value, place in lines}
    return Slo(**limits)


def _lines(raw: object, allowed: tuple[str, ...], source: str, key: str) -> list[tuple[str, Any, str]]:
    """Name, value and key of each `name: value` line, in the order of `allowed`: equal limits give equal texts."""
    if not isinstance(raw, dict) or not raw:
        reason = f"expected `name: value` lines, of {', '.join(allowed)}"
        raise SpecError(reason, key=key or "the SLO", value=raw, source=source)
    keys = {name: f"{key}.{name}" if key else str(name) for name in raw}
    for name in raw:
        if name not in allowed:
            raise SpecError(f"unknown key{choices(name, allowed)}", key=keys[name], source=source)
    return [(name, raw[name], keys[name]) for name in allowed if name in raw]


def _limit(value: object, key: str, source: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_FIGURE:
        raise SpecError("a limit is a number above 0", key=key, value=value, source=source)
    return float(value)
