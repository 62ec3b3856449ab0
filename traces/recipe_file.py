"""Recipes as YAML files and the command line write them.

    duration_s: 600                            # 600 unless max_requests is given, or all arrivals are a trace's
    max_requests: 100000                       # at most so many, the first ones; no limit unless given
    applications:                              # one or several; their requests are merged by time
      - workload: conv                         # sizes of measured figures; or sizes_from: FILE, with joint: true
        arrivals: gamma:rate=70,cv=2
      - id: 1                                  # 0, 1, ... in order unless given
        prompt: lognormal:mean=1024,sigma=0.8
        output: gamma:mean=200,cv=1.1
        arrivals: onoff:rate=5,on_s=10,off_s=60
        batch_size: 1
      - turns: poisson:mean=4                  # sessions: see traces.sessions
        think_ms: exponential:mean=20000
        prompt: lognormal:mean=200,sigma=1     # the new tokens of a turn
        output: gamma:mean=200,cv=1.1
        arrivals: poisson:rate=2               # of sessions
        system_prompts: 10
        system_tokens: constant:tokens=1000

With closed arrivals, such as closed:concurrency=64,requests=1000, clients send the requests, and there is no duration:
applications whose arrivals do not say how many `requests` there are have `max_requests`.

The command line of `generate` builds the same values from its options.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from configs.bounded import read_yaml
from sim_core.errors import SpecError, TraceError
from sim_core.section import Section
from sim_core.trace import Trace
from traces.arrivals.closed import closed, is_closed
from traces.arrivals.table import arrivals
from traces.closed_recipe import ClosedRecipe, ClosedStream
from traces.distributions.base import Distribution
from traces.distributions.table import distribution
from traces.distributions.trace import Empirical
from traces.identity import file_identity
from traces.policy_text import SIZES, Context, GivenTrace, Opener
from traces.reader import TraceWarning
from traces.recipe import DEFAULT_DURATION_S, MAX_DURATION_S, Independent, Joint, Pairs, Recipe, RequestStream
from traces.sessions import KEYS as SESSION_KEYS
from traces.sessions import Sessions
from traces.sizes import workload_names
from traces.time_unit import AUTO

SUFFIX = ".yaml"
MAX_APPLICATIONS = 1000
MAX_BATCH_SIZE = 1 << 20
MAX_ID = 1_000_000_000
KEYS = ("id", "arrivals", "workload", "sizes_from", "joint", *SIZES, "batch_size")  # of an application
SHORT = 0.99  # warn if a trace's times end before this share of the duration


class ReadTrace(Protocol):
    """Reads a trace file: traces.reader.read_file or read_csv."""

    def __call__(self, path: Path, *, time_unit: str = AUTO) -> Trace: ...


def read_recipe(
    path: Path, read_trace: ReadTrace, *, source: str = "", confined: bool = True, time_unit: str = AUTO
) -> Recipe | ClosedRecipe:
    """The recipe in a YAML file.

    Files that it names are looked for in its own folder and, when `confined`, nowhere else. `time_unit` is the unit of
    the times in those files. TraceError, naming `source` (the path if empty), when the file holds no valid recipe.
    """
    source = source or str(path)
    try:
        values = read_yaml(path, source, references=False)
    except SpecError as error:
        raise TraceError(str(error)) from error
    try:
        return parse(values, opener(path.parent, read_trace, confined=confined, time_unit=time_unit))
    except SpecError as error:
        raise TraceError(str(error), source=source) from error


def opener(folder: Path, read_trace: ReadTrace, *, confined: bool, time_unit: str = AUTO) -> Opener:
    """A function that reads traces by their path from `folder` (only below it if `confined`), each once."""
    known: dict[str, GivenTrace] = {}

    def open_trace(name: str) -> GivenTrace:
        if name not in known:
            path = _path(folder, name, confined)
            try:
                identity = file_identity(path, time_unit=time_unit)
                known[name] = GivenTrace(read_trace(path, time_unit=time_unit), identity)
            except OSError as error:
                raise TraceError(f"cannot be read: {error.strerror}", source=name) from error
        return known[name]

    return open_trace


def _path(folder: Path, name: str, confined: bool) -> Path:
    if not name.isprintable():
        raise TraceError("is no file's name", source=repr(name))
    path = Path(os.path.normpath(folder / Path(name).expanduser()))
    inside = path.is_relative_to(os.path.normpath(folder)) and path.resolve().is_relative_to(folder.resolve())
    if confined and not inside:  # a link may lead out, too
        raise TraceError("a recipe may only name files in its own folder", source=name)
    return path


def parse(values: object, open_trace: Opener) -> Recipe | ClosedRecipe:
    """The recipe that these values, from YAML or the command line, describe. SpecError names the key that is wrong."""
    top = Section(values, "")
    top.only("duration_s", "max_requests", "applications")
    sections = list(top.sections("applications"))
    if not 0 < len(sections) <= MAX_APPLICATIONS:  # before any is read: each takes milliseconds
        raise SpecError(f"must be from 1 to {MAX_APPLICATIONS} applications", key="applications")
    max_requests = top.integer("max_requests", 1) if top.has("max_requests") else None
    if any(is_closed(section.value("arrivals")) for section in sections if section.has("arrivals")):
        return _closed_recipe(top, sections, max_requests, open_trace)
    applications = tuple(_application(section, number, open_trace) for number, section in enumerate(sections))
    _check_ids(applications)
    recipe = Recipe(applications, _duration(top, applications), max_requests)
    recipe.check_amount()
    return recipe


def _closed_recipe(top: Section, sections: list[Section], max_requests: int | None, open_trace: Opener) -> ClosedRecipe:
    if top.has("duration_s"):
        raise top.error("duration_s", "a closed loop lasts until its requests are done: say how many, by max_requests")
    applications = []
    for number, section in enumerate(sections):
        section.only(*KEYS)
        if not is_closed(text := section.value("arrivals")):
            raise section.error("arrivals", "all applications of a recipe are closed, or none")
        arrivals_of = closed(text, section.path("arrivals"))
        requests = arrivals_of.requests or max_requests
        if requests is None:
            raise section.error("arrivals", "needs requests=..., or the recipe max_requests")
        application_id, sizes, batch_size = _requests(section, number, open_trace)
        applications.append(ClosedStream(application_id, arrivals_of, requests, sizes, batch_size))
    _check_ids(applications)
    if len({application.arrivals.drains for application in applications}) > 1:
        raise SpecError("all applications have drain=yes, or none", key="applications")
    recipe = ClosedRecipe(tuple(applications))
    recipe.check_amount()
    return recipe


def _check_ids(applications: Sequence[RequestStream | ClosedStream]) -> None:
    ids = [application.application_id for application in applications]
    for place, application_id in enumerate(ids):
        if application_id in ids[:place]:
            raise SpecError("is there twice", key=f"applications.{place}.id", value=application_id)


def _application(section: Section, number: int, open_trace: Opener) -> RequestStream:
    section.only(*KEYS, *SESSION_KEYS)
    process = arrivals(section.value("arrivals"), Context("", open_trace), section.path("arrivals"))
    application_id, sizes, batch_size = _requests(section, number, open_trace)
    return RequestStream(application_id, process, sizes, batch_size, Sessions.from_section(section, open_trace))


def _requests(section: Section, number: int, open_trace: Opener) -> tuple[int, Pairs, int]:
    """The application's id, the sizes of its requests, and how many sequences each of them has."""
    application_id = section.integer("id", 0, number)
    if application_id > MAX_ID:
        raise section.error("id", f"must be at most {MAX_ID:,}")
    sizes = _sizes(section, open_trace)
    batch_size = section.integer("batch_size", 1, 1)
    if batch_size > MAX_BATCH_SIZE:
        raise section.error("batch_size", f"must be at most {MAX_BATCH_SIZE:,}")
    return application_id, sizes, batch_size


def _sizes(section: Section, open_trace: Opener) -> Pairs:
    """`workload` or `sizes_from` give both sizes; `prompt` and `output` take precedence over them."""
    sources = [key for key in ("workload", "sizes_from") if section.has(key)]
    joint = section.boolean("joint", False)
    if len(sources) == 2:
        raise section.error("sizes_from", "give workload or sizes_from, not both")
    if joint:
        if sources != ["sizes_from"] or any(section.has(size) for size in SIZES):
            raise section.error("joint", "needs sizes_from, and neither prompt nor output")
        return Joint(open_trace(str(section.value("sizes_from"))))
    if not sources and not all(section.has(size) for size in SIZES):
        raise SpecError("needs prompt and output, or workload, or sizes_from", key=section.path("prompt"))
    return Independent(*(_size(section, size, sources, open_trace) for size in SIZES))


def _size(section: Section, size: str, sources: list[str], open_trace: Opener) -> Distribution:
    text = f"quantiles:workload={section.text('workload', workload_names())}" if sources == ["workload"] else ""
    if not section.has(size) and not text:
        return Empirical.of(open_trace(str(section.value("sizes_from"))), size)
    text = section.value(size) if section.has(size) else text
    return distribution(text, Context(size, open_trace), section.path(size))


def _duration(top: Section, applications: tuple[RequestStream, ...]) -> float | None:
    spans_s = [application.arrivals.span_s() for application in applications]
    if not top.has("duration_s"):
        ends = top.has("max_requests") or all(span_s is not None for span_s in spans_s)
        return None if ends else DEFAULT_DURATION_S
    duration_s = top.number("duration_s", 0.0, above=True)
    if duration_s > MAX_DURATION_S:
        raise top.error("duration_s", f"must be at most {MAX_DURATION_S:,.0f}")
    for place, span_s in enumerate(spans_s):
        if span_s is not None and span_s < SHORT * duration_s:
            warnings.warn(
                f"applications.{place}.arrivals: the trace's times end after {span_s:,.1f} s of {duration_s:,.1f} s",
                TraceWarning,
                stacklevel=3,
            )
    return duration_s
