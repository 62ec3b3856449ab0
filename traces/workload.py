"""The trace that a run's configuration names: a written file, or else a recipe's or a named workload's.

Those are made on the spot, once (traces.cache).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from sim_core.errors import SpecError, TraceError, nearest
from sim_core.section import Section
from sim_core.trace import Trace
from traces import named
from traces.cache import cached
from traces.identity import file_identity
from traces.reader import TraceWarning, read_file
from traces.sizes import workload_names
from traces.time_unit import AUTO, UNITS, check_time_unit

if TYPE_CHECKING:
    from traces.recipe import Recipe

# In this order, the first that is there is read: what a person edits wins over what was converted from it.
SUFFIXES = (".csv", ".csv.gz", ".csv.zst", ".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
RECIPE = ".yaml"  # looked for after them
AT = "@"  # load@70: the recipe load.yaml at 70 requests a second
LATEST_START_S = 1e11  # of a trace in Unix time; a larger number is no number of seconds
MAX_NAMES = 8  # of files, in an error


@dataclass(frozen=True, slots=True)
class TraceRef:
    """What a run's configuration says: trace.filename (no suffix), trace.dir, the run's seed, and trace.time_unit."""

    filename: str
    dir: str
    seed: int
    time_unit: str = AUTO  # of the times in a file, or in the files that a recipe names


def ref_from_config(resolved: Mapping[str, Any], seed: int) -> TraceRef:
    """The trace that a resolved configuration names. SpecError for a name that is none, such as a number that a file
    has without quotes."""
    section = Section(resolved, "").section("trace")
    unit = section.text("time_unit", UNITS) if section.has("time_unit") else AUTO
    return TraceRef(section.text("filename"), section.text("dir"), seed, unit)


def identity(ref: TraceRef, root: Path) -> str:
    """The content's identity as SHA-256 in hex, without reading rows or generating any.

    Over the bytes of a written file (and the unit of its times, where the format does not say it), or over what decides
    a generated trace. Traces of one identity are equal.
    TraceError when the reference names neither.
    """
    path = find(ref, root)
    if path is None:
        return named.recipe_digest(_named(ref))
    if path.suffix == RECIPE:
        return _recipe(ref, path).digest(ref.seed)
    try:
        return file_identity(path, source=_shown(ref, path), time_unit=ref.time_unit)
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror}", source=_shown(ref)) from error


def load(ref: TraceRef, root: Path) -> Trace:
    """The trace, sound and sorted. A written file wins over a recipe, and that over a named workload.

    `root` is where relative folders start.

    The file may be in any format of traces.formats. Times are those of a run's clock (`Trace.on_run_clock`). TraceError
    when it is missing or unsound; a TraceWarning when its rows had to be sorted or some were left out.
    """
    return _as_it_is(ref, root).on_run_clock()


def _as_it_is(ref: TraceRef, root: Path) -> Trace:
    path = find(ref, root)
    name = ref.filename
    if path is None:
        spelled = _named(ref)
        return cached(named.recipe_digest(spelled), name, lambda: named.generate(spelled, name))
    if path.suffix == RECIPE:
        recipe = _recipe(ref, path)
        return cached(recipe.digest(ref.seed), name, lambda: recipe.generate(ref.seed, name))
    _warn_of_newer_recipe(ref, path)
    trace = read_file(path, source=_shown(ref, path), name=ref.filename, time_unit=ref.time_unit)
    if ref.time_unit == AUTO and len(trace) and trace.first_arrival_s > LATEST_START_S:
        reason = f"times start at {trace.first_arrival_s:.4g} s, beyond the year 5000: say their unit, --time-unit ms"
        raise TraceError(f"{reason} (in a run: trace.time_unit=ms)", source=_shown(ref, path))
    return trace


def _warn_of_newer_recipe(ref: TraceRef, path: Path) -> None:
    recipe = path.with_name(PurePosixPath(ref.filename).name + RECIPE)
    if recipe.is_file() and recipe.stat().st_mtime > path.stat().st_mtime:
        what = f"{_shown(ref, path)} is read; {recipe.name} beside it is newer and is not"
        warnings.warn(what, TraceWarning, stacklevel=4)


def rate_per_s(ref: TraceRef, root: Path) -> float | None:
    """Requests a second that a generated trace was asked for; None for a written one. TraceError as `load`."""
    path = find(ref, root)
    if path is None:
        return _named(ref).rate_per_s
    return _recipe(ref, path).rate_per_s if path.suffix == RECIPE else None


def workload_name(ref: TraceRef, root: Path) -> str:
    """What is served, whatever the rate and for how long: of a named workload `conv`, of a recipe its name, else the
    file's. TraceError as `load`."""
    path = find(ref, root)
    if path is None:
        return _named(ref).workload
    recipe_name, at, _ = ref.filename.rpartition(AT)
    return (
        recipe_name
        if path.suffix == RECIPE and at and path.name == f"{Path(recipe_name).name}{RECIPE}"
        else ref.filename
    )


def find(ref: TraceRef, root: Path) -> Path | None:
    """The written file or recipe, or None for a named workload. TraceError when it is neither, or leaves its folder."""
    check_filename(ref.filename)
    check_time_unit(ref.time_unit, "trace.time_unit")
    try:
        folder = root / Path(ref.dir).expanduser()
        for suffix in (*SUFFIXES, RECIPE):
            path = folder / f"{ref.filename}{suffix}"
            if path.is_file():
                return path
        path = folder / f"{ref.filename.rpartition(AT)[0]}{RECIPE}"
        if AT in ref.filename and path.is_file():
            return path
    except (OSError, RuntimeError) as error:  # a name too long, a folder closed to us, no home folder
        raise TraceError(f"cannot be read: {getattr(error, 'strerror', None) or error}", source=_shown(ref)) from error
    if ref.filename.startswith(named.PREFIX):
        return None
    raise TraceError(_missing(ref.filename, folder), source=_shown(ref))


def check_filename(filename: str) -> None:
    """TraceError unless joining `filename` to a folder stays below that folder, on any system."""
    posix, windows = PurePosixPath(filename), PureWindowsPath(filename)
    leaves = windows.anchor or posix.is_absolute() or ".." in posix.parts or ".." in windows.parts
    if not filename.strip("./\\ ") or leaves or not filename.isprintable():
        raise TraceError(
            f"trace.filename={filename!r}: must name a file in trace.dir, without '..' or a leading '/'; "
            "to read from another folder set trace.dir"
        )


def _recipe(ref: TraceRef, path: Path) -> Recipe:
    from traces.recipe_file import read_recipe  # and YAML, which other traces do without

    shown = str(Path(ref.dir) / PurePosixPath(ref.filename).with_name(path.name))
    recipe = read_recipe(path, read_file, source=shown, time_unit=ref.time_unit)
    if path.stem == PurePosixPath(ref.filename).name:
        return recipe
    rate = ref.filename.rpartition(AT)[2]
    try:
        return recipe.at_rate(named.read_rate(rate))
    except (SpecError, ValueError) as error:
        reason = error if isinstance(error, SpecError) else f"{rate!r} is not a rate in requests a second, such as 70"
        raise TraceError(f"trace.filename={ref.filename!r}: {reason}", source=shown) from error


def _named(ref: TraceRef) -> named.Recipe:
    if ref.time_unit not in (AUTO, "s"):
        reason = "the run makes this trace itself, in seconds; leave trace.time_unit out"
        raise TraceError(f"trace.time_unit={ref.time_unit}: {reason}", source=ref.filename)
    try:
        return named.parse(ref.filename, ref.seed)
    except TraceError as error:
        raise TraceError(f"{error.reason} (nor is there a file {_shown(ref)})") from None


def _shown(ref: TraceRef, path: Path | None = None) -> str:
    # As the user wrote it: the project's own folder is nobody's business in a message or a stored result.
    suffix = SUFFIXES[0] if path is None else path.name.removeprefix(PurePosixPath(ref.filename).name)
    return str(Path(ref.dir) / f"{ref.filename}{suffix}")


def _missing(filename: str, folder: Path) -> str:
    if not folder.is_dir():
        return "no such file, nor its folder; named workloads need none: " + named.FORM
    suffixes = (*SUFFIXES, RECIPE)
    files = sorted({p.name.removesuffix(s) for s in suffixes for p in folder.glob(f"*{s}")})
    close = nearest(filename, [*files, *(f"{named.PREFIX}{workload}" for workload in workload_names())])
    for suffix in suffixes:
        if filename.endswith(suffix) and filename.removesuffix(suffix) in files:  # the suffix was given too
            close = filename.removesuffix(suffix)
    hint = f"; did you mean {close!r}?" if close else ""
    more = f" and {len(files) - MAX_NAMES} more" if len(files) > MAX_NAMES else ""
    here = f" (files here: {', '.join(files[:MAX_NAMES])}{more})" if files else " (no trace files here)"
    return f"no such file{hint}{here}; or a named workload: {named.FORM}"
