"""An application: it takes requests, lets its scheduler place them, and moves them from phase to phase."""

from __future__ import annotations

from sim_core.engine import Call, Engine
from sim_core.errors import SpecError
from sim_core.fleet import Fleet
from sim_core.network.base import Network
from sim_core.owner import Owner
from sim_core.recorder import Recorder
from sim_core.replica import Replica
from sim_core.request import Host, Request, Task
from sim_core.request_state import RequestState, Situation
from sim_core.scheduling.base import Scheduler
from sim_core.scheduling.view import View
from sim_core.spec import ApplicationSpec
from sim_core.workload import Workload


class Application(Owner):
    """The owner of its replicas."""

    def __init__(self, spec: ApplicationSpec, engine: Engine, recorder: Recorder) -> None:
        self.spec = spec
        self.engine = engine
        self.recorder = recorder
        self.open: set[Request] = set()  # never iterated over but by `unfinished`, which sorts
        self.fleet = Fleet()
        self.fleet.listen(self._started)
        self._smallest = self._largest = 0  # tokens of KV cache that the smallest and the largest replica hold
        self._shortest = self._longest = 0  # the least and the most tokens that a request may have on a replica
        self._listener: Workload | None = None  # to requests that leave; None without one, which costs no call
        self._early: list[Request] = []  # arrived before the replicas were up
        self._ready_s = 0.0  # when the replicas are up, on the run's clock; set by `begin`
        self.on_delivery = Call(self._delivered)
        self._on_ready = Call(self._ready)
        self._prompt_enters, self._both_enter = Call(self._enter_prompt), Call(self._enter_behind)
        self._decode_enters, self._completes = Call(self._enter_decode), Call(self._complete)
        self._submit_task_s = spec.scheduler.submit_task_s
        self._submit_flow_s = spec.scheduler.submit_flow_s
        self._finish_request_s = spec.scheduler.finish_request_s

    def connect(self, scheduler: Scheduler, view: View, network: Network | None) -> None:
        """Set the scheduler, its view of the fleet, and the network between replicas."""
        self.scheduler = scheduler
        self.view = view
        self._counts_open = view.counts_open_requests()  # where they are not counted, there is no call
        self.network = network

    def _started(self, replica: Replica) -> None:
        capacity, longest = replica.kv.capacity, min(replica.batcher.longest, replica.batcher.longest_prompt)
        is_first = len(self.fleet.replicas) == 1
        self._smallest = capacity if is_first else min(self._smallest, capacity)
        self._largest = max(self._largest, capacity)
        self._shortest = longest if is_first else min(self._shortest, longest)
        self._longest = max(self._longest, longest)

    def begin(self, workload: Workload) -> None:
        """Begin the run: the replicas start up when the first request arrives."""
        self._listener = workload if workload.listens else None
        if not self.fleet.replicas:
            return
        self.view.begin()
        if self.spec.spin_up_s > 0.0:
            self._ready_s = workload.first_arrival_s() + self.spec.spin_up_s
            self.engine.at(self._ready_s, self._on_ready, None)

    def fire(self, request: Request, /) -> None:
        """A request comes from the router."""
        needed, prompt_tokens = request.prompt_kv_tokens + request.decode_kv_tokens, request.prompt_tokens
        if needed > self._largest or prompt_tokens >= self._longest or self.engine.now < self._ready_s:
            self._turn_away(request)
            return
        placement = self.scheduler.place(request, self.view)
        request.prompt_instance, request.token_instance = prompt, token = placement.prompt, placement.token
        if placement.returned:
            self.view.give_back(placement.returned)
        if placement.lent:
            self.view.lend(placement.lent)
        if (needed > self._smallest or prompt_tokens >= self._shortest) and self._rejects(request, prompt, token):
            return
        self.view.placed(request)
        self.open.add(request)
        task = request.prompt_task()
        if self._submit_task_s == 0.0:  # the common case, without an event
            if self._counts_open:
                self.view.entered(prompt.index)
            prompt.enter(task)
            if prompt is token and request.output_tokens > 1:
                prompt.enter_behind(request.decode_task(), task)
        else:
            self.engine.after(self._submit_task_s, self._prompt_enters, task)
            if prompt is token and request.output_tokens > 1:
                self.engine.after(self._submit_task_s, self._both_enter, task)

    def _turn_away(self, request: Request) -> None:
        """Let a request wait until the replicas are up, or reject one that no replica holds."""
        if not self.fleet.replicas:
            self._reject_as(request, Situation(RequestState.NO_INSTANCE, application_id=self.spec.application_id))
        elif self.engine.now < self._ready_s:
            self._early.append(request)
        elif request.prompt_kv_tokens + request.decode_kv_tokens > self._largest:
            self._reject(request, self._largest)
        else:
            self._reject_prompt(request, self._longest)

    def _rejects(self, request: Request, prompt: Replica, token: Replica) -> bool:
        """Reject a request if it can never run on the replicas that it was placed on. Returns whether it is so."""
        needed = request.prompt_kv_tokens + request.decode_kv_tokens
        longest = min(prompt.batcher.longest, prompt.batcher.longest_prompt, token.batcher.longest)
        if needed > token.kv.capacity or request.prompt_kv_tokens > prompt.kv.capacity:
            self._reject(request, min(prompt.kv.capacity, token.kv.capacity))
        elif request.prompt_tokens >= longest:
            self._reject_prompt(request, longest)
        else:
            return False
        return True

    def _ready(self, _nothing: None) -> None:
        """The replicas are up."""
        early, self._early = self._early, []
        for request in early:
            self.fire(request)

    def _enter_prompt(self, task: Task) -> None:
        if task.entry:
            return
        replica = task.request.prompt_instance
        self.view.entered(replica.index)
        replica.enter(task)

    def _enter_behind(self, prompt: Task) -> None:
        # both phases were submitted for the same time, and events of one time come in any order
        self._enter_prompt(prompt)
        request = prompt.request
        request.prompt_instance.enter_behind(request.decode_task(), prompt)

    def _enter_decode(self, request: Request) -> None:
        replica = request.token_instance
        if self._counts_open:
            self.view.entered(replica.index)
        replica.kv.in_transit -= 1
        replica.enter(request.decode_task())
        if replica.is_idle():  # entering has not started it
            replica.go_on()

    def _reject(self, request: Request, capacity_tokens: int) -> None:
        needed = request.prompt_kv_tokens + request.decode_kv_tokens
        situation = Situation(RequestState.NEVER_FITS, needed_tokens=needed, capacity_tokens=capacity_tokens)
        self._reject_as(request, situation)

    def _reject_prompt(self, request: Request, longest: int) -> None:
        """Reject a request whose prompt leaves no token of `longest` to its output."""
        tokens = request.prompt_tokens
        too_long = Situation(RequestState.PROMPT_TOO_LONG, needed_tokens=tokens, capacity_tokens=longest - 1)
        self._reject_as(request, too_long)

    def _reject_as(self, request: Request, situation: Situation) -> None:
        self.recorder.reject(request, situation)
        if self._listener is not None:
            self._listener.left(request)

    # -- notifications of replicas and the network -------------------------------------------------------------------

    def prompt_finished(self, request: Request, leaves: bool) -> None:
        self.view.prompt_finished(request)
        if leaves:
            if self.network is None:
                name = self.spec.scheduler.name
                raise SpecError(f"{name} moves requests and has no network: make it a SplitScheduler", key="scheduler")
            if self._submit_flow_s == 0.0:
                self.network.send(request)
            else:
                self.engine.after(self._submit_flow_s, self.network.sends, request)

    def _delivered(self, request: Request) -> None:
        """The KV cache has arrived: decoding may start there, and the source has freed its memory."""
        self.view.transferred(request)
        if self._submit_task_s == 0.0:
            self._enter_decode(request)
        else:
            self.engine.after(self._submit_task_s, self._decode_enters, request)
        request.prompt_instance.memory_freed()

    def request_finished(self, request: Request) -> None:
        self.view.finished(request)
        if self._finish_request_s == 0.0:
            self._complete(request)
        else:
            self.engine.after(self._finish_request_s, self._completes, request)

    def replica_idle(self, replica: Host) -> None:
        self.view.idle(replica.index)

    def _complete(self, request: Request) -> None:
        self.open.remove(request)
        request.end_s = self.engine.now
        self.recorder.complete(request)
        if self._listener is not None:
            self._listener.left(request)

    def situation_of(self, request: Request) -> Situation:
        """The state of an unfinished request, and the replica that it concerns. One that has begun, on a replica where
        nothing runs, was preempted, and waits."""
        prompt, token = request.prompt_instance, request.token_instance
        if request.prompt_start_s is None or (request.prompt_end_s is None and prompt.is_idle()):
            return Situation(RequestState.WAITS_FOR_PROMPT, prompt.name)
        if request.prompt_end_s is None:
            return Situation(RequestState.PROMPT_RUNNING, prompt.name)
        if request.token_end_s is not None:
            return Situation(RequestState.LAST_TOKEN_ON_ITS_WAY)
        if prompt is not token and request.transfer_end_s is None:
            if request.transfer_start_s is None:
                return Situation(RequestState.WAITS_TO_SEND, token.name)
            return Situation(RequestState.IN_TRANSFER, token.name)
        if request.token_start_s is None or token.is_idle():
            return Situation(RequestState.WAITS_TO_DECODE, token.name)
        return Situation(RequestState.DECODING, token.name)

    def in_cluster(self) -> int:
        """How many requests have arrived and not left."""
        return len(self.open) + len(self._early)

    def unfinished(self) -> list[Request]:
        """Requests taken and not completed, in order of arrival."""
        return sorted(self.open, key=lambda request: request.index)
