"""How fast the batching policies of engines are: requests a CPU-second on one replica.

    python benchmarks/engine_speed.py [REQUESTS [POLICY ...]]

10,000 requests (6.8 million prompt tokens, 1.5 million output tokens) come at random times, so that about 50 run at a
time; they are served with enough memory, with so little that requests are preempted, and with a prompt of 512 tokens
that all begin with. vLLM's own scheduler takes one CPU-second for 135 to 154 of such requests.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.engine_cases import Ended
from sim_core.batching import BATCHING
from sim_core.compilation import form
from sim_core.engine import Call, Engine
from sim_core.kv.content import Content
from sim_core.kv.paged import PagedKv
from sim_core.kv.reserving import ReservingKv
from sim_core.memory import KvMemory
from sim_core.performance.affine import AffineTimes
from sim_core.replicas import REPLICAS
from sim_core.request import Request
from sim_core.spec import InstanceSpec, ProcessorSpec
from sim_core.start_state.base import InstancePlan

RATE_PER_S = 19.0
SHARED_TOKENS = 512
ROUNDS = 3
POLICIES = ("vllm", "sglang", "trtllm")
BLOCK_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Load:
    """What a replica serves, and with how much memory."""

    name: str
    blocks: int
    shares: bool = False


LOADS = (Load("enough memory", 20_000), Load("preemptions", 2_800), Load("a shared prompt", 20_000, shares=True))


def requests(count: int, shares: bool) -> list[Request]:
    """Random requests, always the same."""
    dice = random.Random(1)
    made = []
    arrival_s = 0.0
    for index in range(count):
        arrival_s += dice.expovariate(RATE_PER_S)
        prompt, output = (max(1, int(dice.lognormvariate(*shape))) for shape in ((6.2, 0.8), (4.6, 0.9)))
        request = Request(index, arrival_s, prompt, output, 1)
        if shares:
            first = min(prompt - 1, SHARED_TOKENS)
            request.content = Content([(0, 0, first), (2 * index + 1, 0, prompt - first)], 2 * index + 2)
        made.append(request)
    return made


def memory(policy: str, blocks: int) -> PagedKv:
    """The same memory for each policy, in blocks of its own size."""
    if policy == "vllm":
        return PagedKv(blocks, BLOCK_TOKENS, caching=True)
    size = 1 if policy == "sglang" else 32
    return ReservingKv(blocks * BLOCK_TOKENS // size, size, caching=True)


def serve(policy: str, load: Load, count: int) -> tuple[float, str]:
    """Serve all requests. Returns the CPU-seconds, and what happened."""
    engine, spec = Engine(), InstanceSpec(policy, 1)
    kv = memory(policy, load.blocks)
    batcher = BATCHING[policy](spec, engine, kv)
    times = AffineTimes(0.0065, 0.00004, 0.00003, 2e-8)
    plan = InstancePlan("one", 1, (ProcessorSpec("one", 1),), "", spec)
    replica = REPLICAS[batcher.runs_on](Ended(), 0, plan, KvMemory(2, 0, 1), times, batcher)
    coming = requests(count, load.shares)

    def come(index: int) -> None:
        request = coming[index]
        request.prompt_instance = request.token_instance = replica
        prompt = request.prompt_task()
        replica.enter(prompt)
        if request.output_tokens > 1:
            replica.enter_behind(request.decode_task(), prompt)

    engine.at_each([request.arrival_s for request in coming], Call(come))
    gc.disable()
    began_s = time.process_time()
    engine.run(float("inf"))
    took_s = time.process_time() - began_s
    gc.enable()
    running = sum(request.output_tokens for request in coming) / batcher.iterations()
    preempted = sum(request.preemptions for request in coming)
    return took_s, f"{running:.0f} running, {preempted} preemptions, {kv.evicted} blocks evicted"


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else 10_000
    print(form().text)
    for policy in arguments[1:] or POLICIES:
        for load in LOADS:
            took_s, what = min(serve(policy, load, count) for _ in range(ROUNDS))
            print(f"{policy}, {load.name}: {count / took_s:,.0f} requests a CPU-second ({what})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
