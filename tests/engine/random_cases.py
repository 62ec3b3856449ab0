"""Random workloads for an engine, in the form of a case file: what may happen, and often at once."""

from __future__ import annotations

from random import Random
from typing import Any

Run = tuple[int, int, int]


def settings(dice: Random) -> dict[str, Any]:
    size = dice.choice([1, 4, 16, 16, 32])
    longest = dice.choice([200, 600, 1500])
    fewest = longest // size + 2
    seqs = dice.choice([1, 2, 4, 16, 64])
    budget = max(seqs, dice.choice([16, 64, 128, 512, 2048]))
    chunks = dice.random() < 0.8
    return {
        "policy": dice.choice(["fcfs", "fcfs", "priority"]),
        "async_scheduling": dice.random() < 0.6,
        "max_num_batched_tokens": budget if chunks or dice.random() < 0.2 else max(budget, longest),
        "max_num_seqs": seqs,
        "max_num_active_seqs": dice.choice([None, None, dice.randint(1, seqs)]),
        "max_model_len": longest,
        "block_size": size,
        "num_gpu_blocks": fewest + dice.randint(0, fewest) if dice.random() < 0.7 else 20 * fewest,
        "enable_prefix_caching": dice.random() < 0.8,
        "enable_chunked_prefill": chunks,
        "long_prefill_token_threshold": dice.choice([0, 0, 32, 100]),
        "long_prefill_token_threshold_adaptive": dice.random() < 0.2,
        "scheduler_reserve_full_isl": dice.random() < 0.6,
        "watermark": dice.choice([0.0, 0.0, 0.05, 0.2]),
        "prefill_schedule_interval": dice.choice([1, 1, 1, 2, 4]),
    }


class Streams:
    """Numbers of streams that no text has yet, and texts that several requests begin with."""

    def __init__(self, dice: Random, longest: int) -> None:
        self.count = 0
        self.shared: list[Run] = [(self.new(), 0, dice.randint(1, max(longest // 3, 2))) for _ in range(2)]

    def new(self) -> int:
        self.count += 1
        return self.count


def prompt(dice: Random, streams: Streams, before: list[dict[str, Any]], config: dict[str, Any]) -> list[Run]:
    longest = config["max_model_len"]
    kind = dice.random()
    if kind < 0.1:  # whole blocks of a shared text
        return [(streams.shared[0][0], 0, config["block_size"] * dice.randint(1, 4))]
    if kind < 0.35 and before:  # a further turn; its text may be there before the last one has ended
        last = dice.choice(before)
        said = (last["out_stream"], 0, dice.randint(1, last["output_len"] + 3))
        runs = [*map(tuple, last["prompt"]), said, (streams.new(), 0, dice.randint(1, 60))]
    elif kind < 0.65:
        stream, _, tokens = dice.choice(streams.shared)
        runs = [(stream, 0, dice.choice([tokens, dice.randint(1, tokens)])), (streams.new(), 0, dice.randint(1, 100))]
    else:
        runs = [(streams.new(), 0, dice.randint(1, longest - 1 if dice.random() < 0.2 else longest // 3))]
    if sum(run[2] for run in runs) >= longest and dice.random() < 0.9:
        return [(streams.new(), 0, dice.randint(1, longest // 2))]
    return runs


def case(seed: int) -> dict[str, Any]:
    """A case file's content."""
    dice = Random(seed)
    config = settings(dice)
    streams = Streams(dice, config["max_model_len"])
    gap_ns = dice.choice([10**6, 10**7, 5 * 10**7])
    requests: list[dict[str, Any]] = []
    time_ns = 0
    for number in range(dice.choice([20, 50])):
        time_ns += dice.choice([0, 1, 1, 1]) * int(dice.expovariate(1 / gap_ns)) + dice.choice([0] * 9 + [10**8])
        output = dice.choice([1, 2, dice.randint(1, 40), dice.randint(1, 150)])
        stops = dice.random() < 0.4
        requests.append(
            {
                "id": number,
                "arrival_ns": time_ns,
                "prompt": prompt(dice, streams, requests, config),
                "out_stream": streams.new(),
                "output_len": output,
                "max_tokens": output + dice.randint(1, 50) if stops else output,
                "stop": stops,
                "priority": dice.randint(0, 3),
                "abort_ns": time_ns + int(dice.expovariate(1 / 3e8)) if dice.random() < 0.15 else None,
            }
        )
    timing = {
        "a_ns": dice.randint(1, 9) * 10**6, "b_ns": dice.randint(1, 90_000), "c_ns": dice.randint(1, 50_000),
        "d_ns": dice.randint(0, 90), "empty_step_sleep_ns": 10**6,
    }  # fmt: skip
    return {"format": 1, "name": f"random_{seed}", "config": config, "timing": timing, "requests": requests}
