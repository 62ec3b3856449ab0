"""Writes docs/validation.md from the comparisons. Figures come from them alone; texts say what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from benchmarks.validation import causes, errors, settings
from benchmarks.validation.errors import TPOT, TTFT, Comparison, Errors, Order
from benchmarks.validation.pictures import BARS, SCATTER
from benchmarks.validation.points import AGGREGATED, DISAGGREGATED, REASONS, REPAIRS, Point, Reading, version_of

TITLES = {TTFT: "TTFT", TPOT: "TPOT"}
WORST_GROUPS, WORST_POINTS = 12, 15
MANY_CLIENTS = 4096
LEAST_OF_A_ROW = 5  # points of a group with a row of its own

KEYS: dict[str, Callable[[Point], Hashable]] = {
    "Model": lambda point: point.family,
    "GPU": lambda point: point.system,
    "Engine": lambda point: point.backend,
    "Parallelism": lambda point: point.parallelism,
    "Tokens of prompts": lambda point: point.isl,
    "Tokens of outputs": lambda point: point.osl,
    "Clients": errors.load_of,
    "Precision": lambda point: point.precision,
    "Measured by": lambda point: "InferenceX" if point.is_inferencex else "NVIDIA",
}
KEYS_OF_POOLS = {name: KEYS[name] for name in ("Model", "GPU", "Engine", "Clients", "Precision")}


@dataclass(frozen=True, slots=True)
class Results:
    """All that the page tells."""

    reading: Reading
    comparisons: Sequence[Comparison]
    not_run: Mapping[str, Counter[str]]  # by mode and reason
    package: str
    engines: Mapping[str, str]  # the versions whose kernels were measured

    def of(self, mode: str) -> list[Comparison]:
        return [each for each in self.comparisons if each.point.mode == mode]


def figures(results: Results) -> dict[str, dict[str, float | int | None]]:
    """The last line of the command."""
    found: dict[str, dict[str, float | int | None]] = {}
    for mode in (AGGREGATED, DISAGGREGATED):
        tpot, ttft = (errors.errors_in(results.of(mode), metric) for metric in (TPOT, TTFT))
        found[mode] = {
            "points": 0 if tpot is None else tpot.count,
            "tpot_median": None if tpot is None else round(tpot.median, 1),
            "tpot_p90": None if tpot is None else round(tpot.p90, 1),
            "ttft_median": None if ttft is None else round(ttft.median, 1),
        }
    asked = {"parallelism_tpot": errors.PARALLELISM, "system_tpot": errors.SYSTEM}
    orders = {
        name: errors.order(results.of(AGGREGATED), question, errors.VALUES["TPOT"]) for name, question in asked.items()
    }
    found["order"] = {name: None if each.right is None else round(each.right, 1) for name, each in orders.items()}
    return found


def page(results: Results) -> str:
    """The page: the texts of page.md with figures and tables."""
    template = Template(Path(__file__).with_suffix(".md").read_text(encoding="utf-8"))
    return template.substitute(_settings() | _tables_of(results))


def _settings() -> dict[str, str]:
    """Numbers of the page that were set beforehand."""
    numbers = {
        "rounds": settings.ROUNDS,
        "spread": settings.SPREAD,
        "stagger_ms": settings.STAGGER_S * 1e3,
        "serial_ms": settings.SERIAL_S * 1e3,
        "serial_token_ms": settings.SERIAL_TOKEN_S * 1e6,
        "front_ms": settings.FRONT_S * 1e3,
        "transfer_ms": settings.TRANSFER_S * 1e3,
        "transfer_gb": settings.TRANSFER_BYTES_PER_S / 1e9,
        "clear": 100 * (errors.CLEAR - 1),
        "very_clear": errors.VERY_CLEAR,
        "group_points": causes.LEAST_POINTS,
        "factor_leaves": causes.FACTOR_LEAVES,
        "not_monotone": causes.NOT_MONOTONE,
        **{f"memory_{engine}": share for engine, share in settings.MEMORY.items()},
    }
    return {name: f"{number:g}" for name, number in numbers.items()} | {"scatter": SCATTER, "bars": BARS}


def _tables_of(results: Results) -> dict[str, str]:
    aggregated, pools = results.of(AGGREGATED), results.of(DISAGGREGATED)
    repeats = [pair for pair in results.reading.repeats if pair[0].mode == AGGREGATED]
    orders = {
        name: errors.order(aggregated, question, errors.VALUES["TPOT"]).right
        for name, question in (
            ("parallelism_tpot", errors.PARALLELISM),
            ("system_tpot", errors.SYSTEM),
            ("engine_tpot", errors.ENGINE),
        )
    }
    doubtful = causes.doubtful(aggregated)
    repaired = [(repair, f"{results.reading.repaired[repair]:,}") for repair in REPAIRS]
    return {
        "headline": _headline(results),
        **{name: _number(right) for name, right in orders.items()},
        "package": results.package,
        "engines": ", ".join(f"{engine} {version}" for engine, version in results.engines.items()),
        "versions": _versions([each.point for each in aggregated]),
        "points": _points(results),
        "repairs": _table(("repaired in usable rows", "rows"), repaired),
        "aggregated": _tables(aggregated, KEYS),
        "aggregated_points": f"{len(aggregated):,}",
        "shares": _shares(aggregated),
        "order": _order(aggregated),
        "repeats": f"{len(repeats):,}",
        "noise": _noise(aggregated, repeats),
        "worst_tpot": _worst_groups(aggregated, TPOT),
        "worst_ttft": _worst_groups(aggregated, TTFT),
        "worst_points": _worst_points(aggregated, doubtful),
        "doubtful": f"{len(doubtful):,}",
        "ranks": _ranks(aggregated),
        "pools": _tables(pools, KEYS_OF_POOLS),
    }


# -- tables --------------------------------------------------------------------------------------------------------


def _headline(results: Results) -> str:
    aggregated, pools = results.of(AGGREGATED), results.of(DISAGGREGATED)
    groups = {
        "aggregated": aggregated,
        "of these Llama-3.1-70B": [each for each in aggregated if each.point.family == "Llama-3.1-70B"],
        "prompts and decodes apart": pools,
        f"of these up to {MANY_CLIENTS:,} clients": [each for each in pools if each.point.concurrency <= MANY_CLIENTS],
    }
    rows = []
    for name, members in groups.items():
        for metric, title in TITLES.items():
            ours, theirs = errors.errors_in(members, metric), errors.package_errors_in(members, metric)
            if ours is not None:
                rows.append((name, f"{ours.count:,}", title, *_full(ours), *_full(theirs)))
    titles = ("engines", "points", "", "median", "p90", "mean", "bias", "package: median", "p90", "mean", "bias")
    return _table(titles, rows)


def _full(found: Errors | None) -> tuple[str, ...]:
    if found is None:
        return "", "", "", ""
    return _number(found.median), _number(found.p90), _number(found.mean), _signed(found.bias)


def _versions(points: Sequence[Point]) -> str:
    """The oldest and the newest version of each engine."""
    found: dict[str, set[tuple[tuple[int, ...], str]]] = {}
    for point in points:
        if numbers := version_of(point.backend_version):
            found.setdefault(point.backend, set()).add((numbers, point.backend_version))
    return ", ".join(f"{engine} {min(each)[1]} to {max(each)[1]}" for engine, each in sorted(found.items()))


def _points(results: Results) -> str:
    reading = results.reading
    not_run = [
        (f"not simulated: {reason} ({mode})", f"{count:,}")
        for mode, reasons in results.not_run.items()
        for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
    rows = [
        ("rows of the file", f"{reading.rows:,}"),
        *((f"left out: {reason}", f"{reading.left_out[reason]:,}") for reason in REASONS if reading.left_out[reason]),
        ("**usable**", f"**{len(reading.points):,}**"),
        *not_run,
        ("**simulated**", f"**{len(results.comparisons):,}**"),
    ]
    return _table(("", "rows"), rows)


def _tables(comparisons: Sequence[Comparison], keys: Mapping[str, Callable[[Point], Hashable]]) -> str:
    return "\n\n".join(_by(name, comparisons, key) for name, key in keys.items())


def _by(name: str, comparisons: Sequence[Comparison], key: Callable[[Point], Hashable]) -> str:
    rows, few = [], []
    for value, members in sorted(errors.grouped(comparisons, key).items(), key=lambda item: _sortable(item[0])):
        if len(members) < LEAST_OF_A_ROW:
            few += members
        else:
            rows.append(_row(_shown(value), members))
    if few:
        rows.append(_row("others", few))
    titles = (name, "points", "TTFT", "package", "TPOT", "package")
    return _table(titles, rows)


def _row(name: str, members: Sequence[Comparison]) -> tuple[str, ...]:
    cells = [name, f"{len(members):,}"]
    for metric in (TTFT, TPOT):
        ours, theirs = errors.errors_in(members, metric), errors.package_errors_in(members, metric)
        assert ours is not None
        cells.append(f"{_number(ours.median)} / {_number(ours.p90)} / {_signed(ours.bias)}")
        cells.append("" if theirs is None else _number(theirs.median))
    return tuple(cells)


def _sortable(value: Hashable) -> tuple[object, ...]:
    """Numbers by size, also at the beginning of texts."""
    first = str(value).split()[0]
    return (0, int(first)) if first.isdigit() else (1, str(value))


def _shown(value: Hashable) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _shares(comparisons: Sequence[Comparison]) -> str:
    rows = []
    for metric, title in TITLES.items():
        rows.append((title, *(_number(errors.within(comparisons, metric, most)) for most in (10, 20, 30, 50))))
    return _table(("", "10%", "20%", "30%", "50%"), rows)


def _order(comparisons: Sequence[Comparison]) -> str:
    rows = []
    for question in errors.QUESTIONS:
        cells = [_order_cell(errors.order(comparisons, question, value)) for value in errors.VALUES.values()]
        rows.append((question.name, *cells))
    return _table(("two configurations that differ in", *errors.VALUES), rows)


def _order_cell(found: Order) -> str:
    if found.right is None:
        return ""
    text = f"{_number(found.right)}% of {found.pairs:,}"
    if found.very_clear_right is not None:
        text += f"; {_number(found.very_clear_right)}% of {found.very_clear_pairs:,}"
    return text


def _noise(comparisons: Sequence[Comparison], repeats: Sequence[tuple[Point, Point]]) -> str:
    rows = []
    for metric, title in TITLES.items():
        ratios, left = errors.noise(repeats, metric), errors.residual(comparisons, metric)
        if ratios is not None and left is not None:
            rows.append((title, f"{ratios[0]:.2f}", f"{ratios[1]:.2f}", _number(left.median), _number(left.p90)))
    return _table(("", "ratio of two runs: median", "p90", "error left by one factor a group: median", "p90"), rows)


def _worst_groups(comparisons: Sequence[Comparison], metric: str) -> str:
    rows = [
        (
            " ".join(group.name),
            f"{group.errors.count:,}",
            f"{_number(group.errors.median)} / {_signed(group.errors.bias)}",
            group.cause,
        )
        for group in causes.worst_groups(comparisons, metric, WORST_GROUPS)
    ]
    titles = (f"{TITLES[metric]}: engine, model, GPU, precision", "points", "median / bias", "what is known")
    return _table(titles, rows)


def _worst_points(comparisons: Sequence[Comparison], doubtful: Container[str]) -> str:
    rows = []
    for each in causes.worst_points(comparisons, WORST_POINTS):
        point = each.point
        rows.append(
            (
                f"{point.backend} {point.family} {point.system} {point.precision} {point.parallelism}",
                f"{point.isl:,} / {point.osl:,}, {point.concurrency:,}",
                f"{point.tpot_ms:.1f}",
                f"{each.outcome.tpot_ms:.1f}",
                causes.of_point(each, doubtful),
            )
        )
    return _table(("single points", "lengths, clients", "TPOT measured (ms)", "simulated", "what is known"), rows)


def _ranks(comparisons: Sequence[Comparison]) -> str:
    """How points with data-parallel attention fare."""
    members = [each for each in comparisons if each.point.engine is not None and each.point.engine.data > 1]
    ttft, tpot = errors.errors_in(members, TTFT), errors.errors_in(members, TPOT)
    if ttft is None or tpot is None:
        return "No point has them."
    return (
        f"The {ttft.count:,} points with them have\n"
        f"  a median error of {_number(ttft.median)}% in TTFT and of {_number(tpot.median)}% in TPOT."
    )


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"


def _signed(value: float) -> str:
    return f"{value:+.0f}"
