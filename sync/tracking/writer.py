"""The writer: a thread of the driver that delivers outcomes to a sink, so that the sweep never waits for a database."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sync.results.outcome import Outcome, ResultSink, SweepInfo
from sync.results.privacy import one_line

_GIVE_UP_AFTER = 3  # failures in a row while closing: then the sink is down
_ATTEMPTS = 3  # for one outcome while the sweep runs; closing adds one


@dataclass(frozen=True)
class Delivery:
    """The state of delivery. `undelivered`: keys whose outcome the sink has not taken; `error`: the last one; `page`:
    where in MLflow's interface the sweep is, None where it is not."""

    delivered: int
    undelivered: tuple[str, ...]
    failures: int
    error: str | None
    page: str | None


@dataclass
class _Item:
    """An outcome to deliver. Without `outcome` it is read by its key when its turn comes."""

    key: str
    outcome: Outcome | None
    attempts: int = 0


class SinkWriter:
    """Delivers outcomes to `sink` in a thread of its own; the sink's errors are counted and reported, never raised.

    `reload` reads an outcome by its key from the journal (None: it is gone). At most `capacity` outcomes are kept in
    memory. Of others, and of those that the sink refused, only the key is kept, so `submit` never waits and memory
    stays bounded. `retry_s` is the first pause after a failure; it doubles up to `longest_retry_s`.
    """

    def __init__(
        self,
        sink: ResultSink,
        sweep: SweepInfo,
        reload: Callable[[str], Outcome | None],
        *,
        capacity: int = 32,
        retry_s: float = 1.0,
        longest_retry_s: float = 30.0,
    ) -> None:
        self._sink, self._sweep, self._reload, self._capacity = sink, sweep, reload, capacity
        self._retry_s, self._longest_retry_s = retry_s, longest_retry_s
        self._changed = threading.Condition()  # guards everything below
        self._queue: deque[_Item] = deque()
        self._failed: dict[str, _Item] = {}
        self._held = 0  # outcomes in memory
        self._current: _Item | None = None
        self._closing = False
        self._delivered = self._failures = self._row = 0
        self._error: str | None = None
        self._open = False  # used by the thread alone, once it runs
        self._thread = threading.Thread(target=self._run, name="sink-writer", daemon=True)

    def start(self) -> None:
        """Open the sink in this thread, so that its database is made before the first task, and start the writer's."""
        self._attempt(None)
        self._thread.start()

    def submit(self, outcome: Outcome) -> None:
        """Have an outcome delivered that is in the journal. Returns at once."""
        self._add(outcome.key, outcome)

    def submit_key(self, key: str) -> None:
        """Have the outcome delivered that `reload` reads by `key`: one of an earlier start of the sweep."""
        self._add(key, None)

    def _add(self, key: str, outcome: Outcome | None) -> None:
        with self._changed:
            if self._closing:
                raise RuntimeError("submit after close")
            keep = outcome is not None and self._held < self._capacity
            self._held += keep
            self._queue.append(_Item(key, outcome if keep else None))
            self._changed.notify_all()

    def state(self) -> Delivery:
        """The state of delivery at this moment; cheap."""
        with self._changed:
            items = [*self._failed.values(), *([] if self._current is None else [self._current]), *self._queue]
            keys = tuple(dict.fromkeys(item.key for item in items))
            return Delivery(self._delivered, keys, self._failures, self._error, self._sink.page())

    def trouble(self) -> str:
        """Why results wait, for the sweep's line of progress; empty while the sink takes them."""
        with self._changed:
            return f"{len(self.state().undelivered)} results wait: {self._error}" if self._row else ""

    def close(self, timeout_s: float | None = None) -> Delivery:
        """Deliver what waits, try once more what failed, close the sink, and return what is left.

        After `timeout_s` whatever is still waiting counts as undelivered. A second call does nothing more.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return self.state()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            self._deliver(item)
            self._pause()
        self._last_round()
        try:
            self._sink.close()
        except Exception as error:
            self._note(error)

    def _next(self) -> _Item | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if not self._queue or (self._closing and self._row >= _GIVE_UP_AFTER):
                return None
            self._current = self._queue.popleft()
            return self._current

    def _deliver(self, item: _Item) -> None:
        done = self._attempt(item)
        with self._changed:
            self._current = None
            self._held -= item.outcome is not None
            item.outcome = None
            if done:
                self._delivered += 1
                self._failed.pop(item.key, None)
                if not self._closing:  # else `_last_round` tries again what failed
                    again = [key for key, failed in self._failed.items() if failed.attempts < _ATTEMPTS]
                    self._queue.extend(self._failed.pop(key) for key in again)
            else:
                self._failed[item.key] = item
            self._changed.notify_all()

    def _attempt(self, item: _Item | None) -> bool:
        """Open the sink if it is not open and write the item; whether that worked."""
        try:
            if not self._open:
                self._sink.open(self._sweep)
                self._open = True
            if item is not None:
                item.attempts += 1  # only once the sink is open: before that no outcome can be the cause
                outcome = item.outcome or self._reload(item.key)
                if outcome is None:
                    raise LookupError(f"the outcome {item.key} cannot be read back")
                self._sink.write(outcome)
        except Exception as error:
            self._open = False
            self._note(error)
            return False
        with self._changed:
            self._row = 0
        return True

    def _note(self, error: Exception) -> None:
        with self._changed:
            self._failures += 1
            self._row += 1
            self._error = one_line(error)

    def _pause(self) -> None:
        """After a failure wait for a while, unless the writer is being closed."""
        with self._changed:
            if self._row:
                pause_s = min(self._retry_s * 2.0 ** min(self._row - 1, 30), self._longest_retry_s)
                self._changed.wait_for(lambda: self._closing, pause_s)

    def _last_round(self) -> None:
        """Try once more what is left, until the sink fails `_GIVE_UP_AFTER` times in a row."""
        with self._changed:
            self._failed.update((item.key, item) for item in self._queue)
            self._queue.clear()
            self._row = min(self._row, _GIVE_UP_AFTER - 1)
            again = sorted(self._failed.values(), key=lambda item: item.attempts)  # what failed most often comes last
        for item in again:
            if self._row < _GIVE_UP_AFTER:
                self._deliver(item)
