"""`python -m sim_core models` and `machines`: what a run may name, as a table or as JSON."""

from __future__ import annotations

import json
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict

from configs.catalogue import Machine, Model, machines, models
from configs.command_line import Parser
from configs.figure import figure
from configs.terminal import Column, console, draw, say

_ABOUT = {
    "models": """Lists the models that applications.0.model_architecture may name, with their weights, which are
the names for applications.0.model_size, and the bytes of a token in the KV cache with elements of two bytes.""",
    "machines": """Lists the machines that cluster.servers.0.sku and an experiment's designs may name: memory,
links each way, watts by nameplate, and dollars an hour, with the source of each.""",
}


def list_(name: str, arguments: Sequence[str]) -> int:
    """Print the list called `name`; returns the exit status."""
    parser = Parser(
        prog=f"python -m sim_core {name}", description=_ABOUT[name], formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--format", choices=("table", "json"), default="table", help="(default: table)")
    options = parser.parse_args(list(arguments))
    with suppress(BrokenPipeError):  # `... | head` may be gone
        _print(name, options.format)
    return 0


def _print(name: str, form: str) -> None:
    if form == "json":
        entries: Sequence[Model | Machine] = models() if name == "models" else machines()
        print(json.dumps([asdict(entry) for entry in entries], indent=1))
        return
    screen = console()
    columns = _of_models(models()) if name == "models" else _of_machines(machines())
    screen.print(draw(columns, screen.width, more="--format json"), soft_wrap=True)
    if name == "models":
        say(screen, "KV: bytes of a token in the cache; a model of n parts has a copy for each n GPUs of an instance.")


def _of_models(entries: Sequence[Model]) -> list[Column]:
    def weights(model: Model) -> str:
        return ", ".join(f"{each.size} {each.bytes / 1e9:.0f} GB" for each in model.weights)

    return [
        Column("model", [entry.name for entry in entries], whole=True),
        Column("parameters", [figure(e.parameters and e.parameters / 1e9, "e9") for e in entries], right=True),
        Column("layers", [str(entry.layers) for entry in entries], right=True),
        Column("KV bytes", [f"{entry.kv_bytes_per_token:,}" for entry in entries], right=True),
        Column("KV parts", [str(entry.kv_parts or "any") for entry in entries], right=True, spare=1),
        Column("weights", [weights(entry) for entry in entries]),
        Column("source", [entry.source or "-" for entry in entries], spare=2),
    ]


def _of_machines(entries: Sequence[Machine]) -> list[Column]:
    def each_way(entry: Machine) -> str:
        return f"{entry.gpu_link_gb_per_s:,.0f} / {entry.machine_link_gb_per_s:,.0f}"

    sources = [
        f"price: {e.price_source or '-'}; watts: {e.watts_source or '-'}; memory: {e.memory_source or '-'}"
        for e in entries
    ]
    return [
        Column("machine", [entry.name for entry in entries], whole=True),
        Column("GPUs", [f"{entry.gpus} x {entry.gpu}" for entry in entries]),
        Column("GB each", [f"{entry.gpu_memory_bytes / 1e9:.1f}" for entry in entries], right=True),
        Column("GB/s of a GPU / machine", [each_way(entry) for entry in entries], right=True),
        Column("W", [f"{entry.watts:,.0f}" for entry in entries], right=True),
        Column("$/h", [figure(entry.dollars_per_hour) for entry in entries], right=True),
        Column("source", sources, spare=1),
    ]
