"""Records what became of each request, as numbers in flat arrays: 80 bytes per completed request."""

from __future__ import annotations

from array import array
from operator import attrgetter

from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.request_state import Situation

TIMES = ("prompt_start_s", "prompt_end_s", "end_s", "token_end_s", "preempted_s")
MAYBE_TIMES = ("transfer_start_s", "transfer_end_s", "token_start_s")  # None becomes NaN
NUMBERS = ("index", "preemptions")
INSTANCES = ("prompt_instance", "token_instance")  # by their index
NAN = float("nan")
BLOCK = 256  # requests written at once: column by column takes half the time of row by row; more do not fit the cache
_COLUMNS = (*TIMES, *MAYBE_TIMES, *NUMBERS, *INSTANCES)
_ATTRIBUTES = attrgetter(*TIMES, *MAYBE_TIMES, *NUMBERS, *(f"{name}.index" for name in INSTANCES))


@mypyc_attr(allow_interpreted_subclasses=True)
class Recorder:
    """A column per attribute of the completed requests, in order of completion, and the rejected requests."""

    __slots__ = ("_block", "_cached", "_numbers", "_times", "_written", "rejected")

    def __init__(self) -> None:
        self.rejected: list[tuple[Request, Situation]] = []
        self._block: list[Request] = []
        self._written = 0
        self._cached: array[int] | None = None
        self._times = {name: array("d") for name in (*TIMES, *MAYBE_TIMES)}
        self._numbers = {name: array("i") for name in (*NUMBERS, *INSTANCES)}

    def __len__(self) -> int:
        return self._written + len(self._block)

    def complete(self, request: Request) -> None:
        """Record `request`, whose last token has reached its client. It must not change any more."""
        block = self._block
        block.append(request)
        if len(block) == BLOCK:
            self._write()

    def reject(self, request: Request, situation: Situation) -> None:
        """Record that `request` can never run; `situation` has a state whose outcome is `REJECTED`."""
        self.rejected.append((request, situation))

    def record_cached(self) -> None:
        """Record `cached_tokens`, too. To be called before the run."""
        self._cached = array("q")

    def cached(self) -> array[int] | None:
        """The column of `cached_tokens`, if it is recorded."""
        self._write()
        return self._cached

    def times(self, name: str) -> array[float]:
        """One of `TIMES` or `MAYBE_TIMES`, in seconds."""
        self._write()
        return self._times[name]

    def numbers(self, name: str) -> array[int]:
        """One of `NUMBERS` or `INSTANCES`."""
        self._write()
        return self._numbers[name]

    def _write(self) -> None:
        if not self._block:
            return
        columns = dict(zip(_COLUMNS, zip(*map(_ATTRIBUTES, self._block), strict=True), strict=True))
        for name in TIMES:
            self._times[name].extend(columns[name])
        for name in MAYBE_TIMES:
            times = columns[name]
            self._times[name].extend([NAN if time is None else time for time in times] if None in times else times)
        for name in (*NUMBERS, *INSTANCES):
            self._numbers[name].extend(columns[name])
        if self._cached is not None:
            self._cached.extend([request.cached_tokens for request in self._block])
        self._written += len(self._block)
        self._block.clear()
