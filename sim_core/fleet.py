"""The replicas of an application."""

from __future__ import annotations

from collections.abc import Callable

from sim_core.replica import Replica

OnStart = Callable[[Replica], None]


class Fleet:
    """The replicas that take requests, by index. Others listen for those that start: the scheduler's view of them, and
    the application, which knows the largest request that one of them can hold."""

    __slots__ = ("_listeners", "replicas")

    def __init__(self) -> None:
        self.replicas: list[Replica] = []
        self._listeners: list[OnStart] = []

    def listen(self, on_start: OnStart) -> None:
        """Call `on_start` with each replica that there is, and with each that starts from now on."""
        for replica in self.replicas:
            on_start(replica)
        self._listeners.append(on_start)

    def start(self, replica: Replica) -> None:
        """`replica`, whose index is the next one, takes requests from now on."""
        self.replicas.append(replica)
        for on_start in self._listeners:
            on_start(replica)
