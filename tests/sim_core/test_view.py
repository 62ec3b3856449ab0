"""Placing changes nothing: the application lends replicas and counts requests, in the view that schedulers read."""

from __future__ import annotations

import pytest

from sim_core.errors import SpecError
from sim_core.request import Request
from sim_core.scheduling import SCHEDULERS, Start, View
from sim_core.simulation import Simulation
from sim_core.spec import PROMPT, TOKEN
from tests.sim_core import worlds

DRAWN = {"random", "round_robin", "kv_round_robin"}  # whose own turn or random stream goes on


def loads(view: View) -> list[list[int]]:
    return [list(load.at) for load in (view.open_requests(), view.pending_tokens(), view.promised_kv())]


@pytest.mark.parametrize("policy", sorted(SCHEDULERS.keys() - DRAWN))
def test_the_same_request_is_placed_alike_as_often_as_it_is_asked_for(policy: str) -> None:
    application = Simulation(worlds.spec(policy, count=4)).applications[0]
    view, scheduler = application.view, application.scheduler
    before = loads(view)
    places = {
        (placement.prompt.index, placement.token.index)
        for placement in (scheduler.place(Request(0, 0.0, 30, 5, 1), view) for _ in range(5))
    }
    assert len(places) == 1
    assert loads(view) == before


def test_a_replica_is_lent_by_the_application_and_returns_when_it_is_idle() -> None:
    application = Simulation(worlds.spec("mixed_pool", count=2, kv_tokens=100)).applications[0]
    view, scheduler = application.view, application.scheduler
    (prompt,), (token,) = view.of_role(PROMPT), view.of_role(TOKEN)
    view.promised_kv().at[token.index] = 90
    request = Request(0, 0.0, 30, 5, 1)
    for _ in range(2):  # no room for its decode: the prompt replica is to be lent, and is not before it is
        placement = scheduler.place(request, view)
        assert (placement.prompt, placement.token, placement.lent) == (prompt, prompt, [prompt])
    view.lend(placement.lent)
    assert not scheduler.place(request, view).lent
    view.idle(prompt.index)
    assert list(scheduler.place(request, view).lent) == [prompt]


def test_a_load_is_asked_for_before_the_first_request() -> None:
    simulation = Simulation(worlds.spec("token_jsq", count=2))
    view = simulation.applications[0].view
    pending = view.pending_tokens()
    simulation.run(worlds.trace([(0.0, 10, 2)]))
    assert view.pending_tokens() is pending
    assert (list(pending.at), view.counted()) == ([0, 0], [pending])
    with pytest.raises(SpecError, match="a scheduler asks for loads in its __init__"):
        view.promised_kv()


def test_a_replica_that_starts_later_takes_requests_from_then_on() -> None:
    application = Simulation(worlds.spec("jsq", count=3)).applications[0]
    first, second, third = application.fleet.replicas
    view = View()
    for replica in (first, second):
        view.add(replica, "")
    scheduler = SCHEDULERS["jsq"](Start(application.spec.scheduler, view, application.scheduler.stream))
    request = Request(0, 0.0, 30, 5, 1)
    for replica in (first, second):
        assert scheduler.place(request, view).prompt is replica
        view.entered(replica.index)
    view.add(third, "")
    assert scheduler.place(request, view).prompt is third
