"""What points are called: `splitwise-ha 30P+21T conv 70 rps`, and where only an axis tells two apart, that too."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from sim_core import SimSpec


def machines_label(spec: SimSpec) -> str:
    """`30P+21T` for a cluster split in prompt and token machines, else `40xH100`."""
    roles = role_counts(spec)
    if roles is not None:
        return f"{roles[0]}P+{roles[1]}T"
    return "+".join(f"{count}x{short_sku(sku)}" for sku, count in spec.machine_counts().items()) or "no machines"


def role_counts(spec: SimSpec) -> tuple[int, int] | None:
    """Prompt and token machines of a split cluster; None where machines have no roles, or several applications."""
    if len(spec.start_states) != 1:
        return None
    start, counts = spec.start_states[0], spec.machine_counts()
    if start.split_type == "homogeneous":
        return start.prompt_machines, start.token_machines
    if start.split_type == "heterogeneous":
        prompt = sum(count for sku, count in counts.items() if sku in start.prompt_skus)
        return prompt, sum(counts.values()) - prompt
    return None


def machines_text(machines: Mapping[str, int]) -> str:
    """`30 H100+21 A100`."""
    return "+".join(f"{count} {short_sku(sku)}" for sku, count in machines.items())


def short_sku(sku: str) -> str:
    """`H100` for `dgx-h100`, `H100cap` for `dgx-h100-pcap`."""
    head, *rest = sku.removeprefix("dgx-").split("-")
    return head.upper() + "".join(part.replace("pcap", "cap") for part in rest)


def shell_text(arguments: Sequence[str]) -> str:
    """A command to copy into a shell, as readable as its quoting can be."""
    return " ".join(map(_quoted, arguments))


def distinct_names(names: Sequence[str], axes: Sequence[Mapping[str, object]]) -> list[str]:
    """The names, those that occur more than once lengthened by the axes in which their points differ."""
    times = Counter(names)
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        groups.setdefault(name, []).append(i)
    result = list(names)
    for name, members in groups.items():
        if times[name] == 1:
            continue
        varied = varied_axes([axes[i] for i in members])
        for i in members:
            told = " ".join(f"{axis.rsplit('.', 1)[-1]}={axes[i][axis]}" for axis in varied if axis in axes[i])
            result[i] = f"{name} {told}".strip()
    return result


def varied_axes(members: Sequence[Mapping[str, object]]) -> list[str]:
    """The axes with more than one value, in their order."""
    seen: dict[str, set[str]] = {}
    for axes in members:
        for axis, value in axes.items():
            seen.setdefault(axis, set()).add(repr(value))
    return [axis for axis, values in seen.items() if len(values) > 1]


def axis_labels(axes: Sequence[str]) -> list[str]:
    """The axes' names for people: of dotted ones the end, as much of it as tells them apart."""

    def ends(axis: str) -> list[str]:
        parts = axis.split(".")
        return [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]

    taken = Counter(end for axis in axes for end in ends(axis))
    return [next((end for end in ends(axis) if taken[end] == 1 and not end.isdecimal()), axis) for axis in axes]


def _quoted(argument: str) -> str:
    # shlex writes ' inside of '...' as '"'"'
    return f'"{argument}"' if "'" in argument and not set('"$`\\!') & set(argument) else shlex.quote(argument)
