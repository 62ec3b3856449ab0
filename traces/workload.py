"""The trace that a run's configuration names: a written file, a recipe, or a named workload. The latter two are
generated when they are loaded; a file or a recipe with a rate behind its name, as in load@70, is brought to it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from sim_core.errors import SpecError, TraceError, nearest
from sim_core.record import record
from sim_core.section import Section
from sim_core.trace import Trace
from traces.identity import file_identity
from traces.reader import TraceWarning, read_file
from traces.sizes import FORM, NUMBER, PREFIX, workload_names
from traces.time_unit import AUTO, UNITS, check_time_unit

if TYPE_CHECKING:
    from traces.arrivals.closed import Closed
    from traces.closed_recipe import ClosedRecipe
    from traces.recipe import Recipe

# The first that exists is read: a file that a person edits takes precedence over one converted from it.
SUFFIXES = (".csv", ".csv.gz", ".csv.zst", ".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
RECIPE = ".yaml"  # looked for after them
OWN = "own"  # trace.arrivals: as the trace has it
AT = "@"  # load@70: the recipe load.yaml, or the file load.csv, at 70 requests a second
MAX_NAMES = 8  # of files, in an error


@record
class TraceRef:
    """The trace that a configuration names: trace.filename (no suffix), trace.dir, the run's seed, trace.time_unit,
    trace.arrivals."""

    filename: str
    dir: str
    seed: int
    time_unit: str = AUTO  # of the times in a file, or in the files that a recipe names
    arrivals: str = ""  # clients that send its requests: closed:concurrency=64; empty: as the trace has it


def ref_from_config(resolved: Mapping[str, Any], seed: int) -> TraceRef:
    """The trace that a resolved configuration names. SpecError for a value that is no name, such as an unquoted
    number."""
    section = Section(resolved, "").section("trace")
    unit = section.text("time_unit", UNITS) if section.has("time_unit") else AUTO
    arrivals = section.text("arrivals") if section.has("arrivals") else OWN
    return TraceRef(section.text("filename"), section.text("dir"), seed, unit, "" if arrivals == OWN else arrivals)


def identity(ref: TraceRef, root: Path) -> str:
    """SHA-256 in hex of what decides the trace, computed without reading rows or generating any.

    For a written file this is its bytes (and the unit of its times where the format leaves that open), for a generated
    trace its recipe and seed. Equal identities mean equal traces. TraceError when `ref` names no trace.
    """
    of_trace = _identity(ref, find(ref, root))
    if not ref.arrivals:
        return of_trace
    from traces.closed import identity_with_clients  # as in `_load`

    return identity_with_clients(of_trace, _clients_of(ref), ref.seed)


def _identity(ref: TraceRef, path: Path | None) -> str:
    if path is None or path.suffix == RECIPE:
        return _recipe(ref, path).digest(ref.seed)
    try:
        of_file = file_identity(path, source=_shown(ref, path), time_unit=ref.time_unit)
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror}", source=_shown(ref)) from error
    if (rate := _asked_rate(ref, path)) is None:
        return of_file
    from traces.scaled import identity_at_rate  # as in `_load`

    return identity_at_rate(of_file, rate)


def load(ref: TraceRef, root: Path) -> Trace:
    """The trace, checked and sorted. A written file takes precedence over a recipe, a recipe over a named workload.

    `root` is the folder that relative folders start from. The file may be in any format of traces.formats. Times are
    those of a run's clock (`Trace.on_run_clock`). TraceError when the trace is missing or faulty; a TraceWarning when
    rows had to be sorted or left out.
    """
    path = find(ref, root)
    if not ref.arrivals:
        return _load(ref, path).on_run_clock()
    from traces.closed import with_clients  # imports the machinery of recipes, which written traces do not need

    return with_clients(_load(ref, path), _clients_of(ref), ref.seed, _shown(ref, path))


def _clients_of(ref: TraceRef) -> Closed:
    """The clients of trace.arrivals. SpecError where they are not valid."""
    from traces.arrivals.closed import FORM, NAME, closed, is_closed

    if not is_closed(ref.arrivals):
        reason = f"must be {OWN}, or {NAME}:{FORM}; other arrivals stand in a recipe (docs/workloads.md)"
        raise SpecError(reason, key="trace.arrivals", value=ref.arrivals)
    return closed(ref.arrivals, "trace.arrivals")


def _load(ref: TraceRef, path: Path | None) -> Trace:
    if path is None or path.suffix == RECIPE:
        return _recipe(ref, path).generate(ref.seed, ref.filename)
    _warn_of_newer_recipe(ref, path)
    rate = _asked_rate(ref, path)
    trace = read_file(path, source=_shown(ref, path), name=ref.filename, time_unit=ref.time_unit)
    if rate is None:
        return trace
    from traces.scaled import at_rate  # imports arrival processes, which other files do not need

    return at_rate(trace, rate, _shown(ref, path))


def _warn_of_newer_recipe(ref: TraceRef, path: Path) -> None:
    recipe = path.with_name(PurePosixPath(ref.filename).name + RECIPE)
    if recipe.is_file() and recipe.stat().st_mtime > path.stat().st_mtime:
        text = f"{_shown(ref, path)} is read; {recipe.name} beside it is newer and is not"
        warnings.warn(text, TraceWarning, stacklevel=4)


def rate_per_s(ref: TraceRef, root: Path) -> float | None:
    """The rate, requests a second, that a generated trace has by its recipe, and a written one by its name; None for a
    written one at its own rate, and for a closed loop. TraceError as `load`."""
    path = find(ref, root)
    if ref.arrivals:
        return None
    return _recipe(ref, path).rate_per_s if path is None or path.suffix == RECIPE else _asked_rate(ref, path)


def duration_s(ref: TraceRef, root: Path) -> float | None:
    """The time, s, over which a generated trace has arrivals by its recipe; None for a written one, and where arrivals
    end by themselves, as those of a closed loop. TraceError as `load`."""
    path = find(ref, root)
    if ref.arrivals:
        return None
    return _recipe(ref, path).duration_s if path is None or path.suffix == RECIPE else None


def workload_name(ref: TraceRef, root: Path) -> str:
    """The workload's name without rate and duration: `conv` for a named one, else the recipe's or the file's name.
    TraceError as `load`."""
    path = find(ref, root)
    if path is None:
        _recipe(ref, None)  # checks the name
        return ref.filename.removeprefix(PREFIX).partition("_")[0]
    return ref.filename.rpartition(AT)[0] if _is_at_rate(ref, path) else ref.filename


def find(ref: TraceRef, root: Path) -> Path | None:
    """The file or recipe that `ref` names; None for a named workload. TraceError if it is neither, or outside its
    folder."""
    check_filename(ref.filename)
    check_time_unit(ref.time_unit, "trace.time_unit")
    try:
        folder = root / Path(ref.dir).expanduser()
        for suffix in (*SUFFIXES, RECIPE):
            path = folder / f"{ref.filename}{suffix}"
            if path.is_file():
                return path
        for suffix in (RECIPE, *SUFFIXES):  # at another rate a recipe's trace is made anew, and a file's is scaled
            path = folder / f"{ref.filename.rpartition(AT)[0]}{suffix}"
            if AT in ref.filename and path.is_file():
                return path
    except (OSError, RuntimeError) as error:  # such as a name too long, a forbidden folder, no home folder
        raise TraceError(f"cannot be read: {getattr(error, 'strerror', None) or error}", source=_shown(ref)) from error
    if ref.filename.startswith(PREFIX):
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


def _recipe(ref: TraceRef, path: Path | None) -> Recipe | ClosedRecipe:
    """The recipe in the file `path`, at the rate that the reference names; without a path that of a named workload."""
    if path is None:
        return _named(ref)
    from traces.recipe_file import read_recipe  # imports YAML, which other traces do not need

    source = _shown(ref, path)
    recipe = read_recipe(path, read_file, source=source, time_unit=ref.time_unit)
    if (rate := _asked_rate(ref, path)) is None:
        return recipe
    try:
        return recipe.at_rate(rate)
    except SpecError as error:
        raise TraceError(f"trace.filename={ref.filename!r}: {error}", source=source) from error


def _is_at_rate(ref: TraceRef, path: Path) -> bool:
    """Whether `ref` names the file `path`, and behind it a rate."""
    name, at, _ = ref.filename.rpartition(AT)
    return bool(at) and path.name.removeprefix(PurePosixPath(name).name) in (RECIPE, *SUFFIXES)


def _asked_rate(ref: TraceRef, path: Path) -> float | None:
    """The rate that `ref` names behind the name of the file `path`; None if it names none."""
    if not _is_at_rate(ref, path):
        return None
    rate = ref.filename.rpartition(AT)[2]
    if not re.fullmatch(NUMBER, rate) or not float(rate):
        reason = f"{rate!r} is not a rate in requests a second, such as 70"
        raise TraceError(f"trace.filename={ref.filename!r}: {reason}", source=_shown(ref, path))
    return float(rate)


def _named(ref: TraceRef) -> Recipe:
    from traces import named  # imports the machinery of recipes, which written traces do not need

    if ref.time_unit not in (AUTO, "s"):
        reason = "the run makes this trace itself, in seconds; leave trace.time_unit out"
        raise TraceError(f"trace.time_unit={ref.time_unit}: {reason}", source=ref.filename)
    try:
        return named.parse(ref.filename, ref.seed)
    except TraceError as error:
        raise TraceError(f"{error.reason} (nor is there a file {_shown(ref)})") from None


def _shown(ref: TraceRef, path: Path | None = None) -> str:
    """The file's name as the user wrote it: messages and stored results do not tell where the project is."""
    if path is not None and _is_at_rate(ref, path):
        return str(Path(ref.dir) / PurePosixPath(ref.filename).with_name(path.name))
    suffix = SUFFIXES[0] if path is None else path.name.removeprefix(PurePosixPath(ref.filename).name)
    return str(Path(ref.dir) / f"{ref.filename}{suffix}")


def _missing(filename: str, folder: Path) -> str:
    if not folder.is_dir():
        return f"no such file, nor its folder; named workloads need none: {FORM}"
    suffixes = (*SUFFIXES, RECIPE)
    files = sorted({p.name.removesuffix(s) for s in suffixes for p in folder.glob(f"*{s}")})
    close = nearest(filename, [*files, *(f"{PREFIX}{workload}" for workload in workload_names())])
    for suffix in suffixes:
        if filename.endswith(suffix) and filename.removesuffix(suffix) in files:  # the user gave the suffix too
            close = filename.removesuffix(suffix)
    hint = f"; did you mean {close!r}?" if close else ""
    more = f" and {len(files) - MAX_NAMES} more" if len(files) > MAX_NAMES else ""
    files_text = f" (files here: {', '.join(files[:MAX_NAMES])}{more})" if files else " (no trace files here)"
    return f"no such file{hint}{files_text}; or a named workload: {FORM}"
