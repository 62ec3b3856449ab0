"""The owner of replicas, as far as a replica knows it."""

from __future__ import annotations

from abc import abstractmethod

from sim_core.event import Handler
from sim_core.native import mypyc_attr
from sim_core.request import Host, Request


@mypyc_attr(allow_interpreted_subclasses=True)
class Owner(Handler):
    """The application of a replica, which the replica notifies of these events. It takes a request where it fires."""

    @abstractmethod
    def prompt_finished(self, request: Request, leaves: bool) -> None:
        """The first token is there; `leaves`: the request decodes on another replica."""

    @abstractmethod
    def request_finished(self, request: Request) -> None:
        """The last token is there."""

    @abstractmethod
    def replica_idle(self, replica: Host) -> None:
        """`replica` has nothing left to do."""
