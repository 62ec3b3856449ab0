"""Records what became of each request, as numbers in flat arrays: 80 bytes per completed request."""

from __future__ import annotations

from array import array
from struct import Struct
from typing import Final

from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.request_state import Situation

TIMES = ("prompt_start_s", "prompt_end_s", "end_s", "token_end_s", "preempted_s")
MAYBE_TIMES = ("transfer_start_s", "transfer_end_s", "token_start_s")  # NaN where there was none
NUMBERS = ("index", "preemptions")
INSTANCES = ("prompt_instance", "token_instance")  # by their index
BLOCK: Final = 256  # requests written at once, column by column: more of them do not fit the cache


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
        block = self._block
        if not block:
            return
        times = {
            "prompt_start_s": [request.started_s for request in block],
            "prompt_end_s": [request.first_token_s for request in block],
            "end_s": [request.end_s for request in block],
            "token_end_s": [request.last_token_s for request in block],
            "preempted_s": [request.preempted_s for request in block],
            "transfer_start_s": [request.sent_s for request in block],
            "transfer_end_s": [request.came_s for request in block],
            "token_start_s": [request.decoding_s for request in block],
        }
        numbers = {
            "index": [request.index for request in block],
            "preemptions": [request.preemptions for request in block],
            "prompt_instance": [request.prompt_instance.index for request in block],
            "token_instance": [request.token_instance.index for request in block],
        }
        # packed as a whole, as an array checks the format of each number that it is given
        reals, wholes = Struct(f"{len(block)}d"), Struct(f"{len(block)}i")
        for name, values in times.items():
            self._times[name].frombytes(reals.pack(*values))
        for name, counts in numbers.items():
            self._numbers[name].frombytes(wholes.pack(*counts))
        if self._cached is not None:
            self._cached.extend([request.cached_tokens for request in block])
        self._written += len(block)
        block.clear()
