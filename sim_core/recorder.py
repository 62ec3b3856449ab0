"""Writes down what became of each request, as numbers in flat arrays: 80 bytes a completed request."""

from __future__ import annotations

from array import array

from sim_core.request import Request

NAN = float("nan")
TIMES = (
    "prompt_start_s",
    "prompt_end_s",
    "transfer_start_s",
    "transfer_end_s",
    "token_start_s",
    "end_s",
    "token_end_s",
    "preempted_s",
)
PLACES = ("trace_row", "prompt_instance", "token_instance", "preemptions")


class Recorder:
    """Rows of `TIMES` and `PLACES`, one completed request after the other, and who was turned away."""

    __slots__ = ("places", "rejected", "times")

    def __init__(self) -> None:
        self.times = array("d")
        self.places = array("i")
        self.rejected: list[tuple[Request, str]] = []

    def __len__(self) -> int:
        return len(self.times) // len(TIMES)

    def complete(self, request: Request, end_s: float) -> None:
        """`request` is done at `end_s`, which is when its client knows."""
        sent = request.transfer_start_s
        started = request.token_start_s
        self.times.extend(
            (
                request.prompt_start_s,
                request.prompt_end_s,
                NAN if sent is None else sent,
                NAN if sent is None else request.transfer_end_s,
                NAN if started is None else started,
                end_s,
                request.token_end_s,
                request.preempted_s,
            )  # type: ignore[arg-type]
        )
        self.places.extend(
            (
                request.index,
                request.prompt_instance.index,
                request.token_instance.index,
                request.preemptions,
            )
        )

    def reject(self, request: Request, reason: str) -> None:
        """`request` can never run, for this reason."""
        self.rejected.append((request, reason))

    def time_column(self, name: str) -> array[float]:
        """One of `TIMES`, a value a completed request, in order of completion."""
        return self.times[TIMES.index(name) :: len(TIMES)]

    def place_column(self, name: str) -> array[int]:
        """One of `PLACES`, likewise."""
        return self.places[PLACES.index(name) :: len(PLACES)]
