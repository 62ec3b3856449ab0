"""What `${...}` may do in a configuration: name another setting, and `${eval:'...'}`, which is arithmetic.

OmegaConf knows more, such as `${oc.env:HOME}`, by which a file from somebody else would bring an environment variable
into the configuration and so into the results. A text may be put together while it is resolved (`${${name}}`), so it is
not the text that is checked: while a configuration is resolved, OmegaConf has no other resolvers than ours.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.base import Container
from omegaconf.basecontainer import BaseContainer

from configs.arithmetic import evaluate
from sim_core.errors import SpecError
from sim_core.limits import limits

OURS = ("eval", "project_root")
_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:")


def register_resolvers() -> None:
    """Make `${eval:'...'}` (arithmetic) and `${project_root:}` (the folder with the packages) available in
    configurations. May be called again."""
    OmegaConf.register_new_resolver("eval", _eval, replace=True)
    OmegaConf.register_new_resolver("project_root", lambda: str(Path(__file__).resolve().parents[1]), replace=True)


def _eval(*arguments: object) -> int | float:
    if len(arguments) != 1 or not isinstance(arguments[0], str | int | float):
        raise SpecError("eval: takes one expression in quotes, such as ${eval:'2 * 3'}")
    return evaluate(arguments[0])


def check_length(text: str) -> None:
    """Raise SpecError for a text that has grown too long by the references that were replaced in it."""
    if len(text) > limits().characters:
        raise SpecError(limits().too_much("characters", len(text), "characters with its references ${...} replaced"))


def resolvers_in(texts: Iterable[str]) -> set[str]:
    """The names of all resolvers that are written out in these texts."""
    return {name for text in texts for name in _RESOLVER.findall(text)}


@contextmanager
def only_our_resolvers(also: Collection[str] = ()) -> Iterator[None]:
    """Within this block OmegaConf knows our resolvers, those that are named in `also`, and those that the block itself
    registers. Within the block SpecError is raised where references make too much of a text: a few that name others
    twice would take all memory."""
    register_resolvers()
    all_of_them, follow = BaseContainer._resolvers, Container.resolve_parse_tree
    kept = {name: all_of_them[name] for name in (*OURS, *also) if name in all_of_them}
    followed = 0

    def counted(self: Container, *args: Any, **kwargs: Any) -> Any:
        nonlocal followed
        followed += 1
        if followed > limits().references:
            raise SpecError(limits().too_much("references", followed, "references ${...} have to be followed"))
        value = follow(self, *args, **kwargs)
        if isinstance(value, str):
            check_length(value)
        return value

    BaseContainer._resolvers = kept
    Container.resolve_parse_tree = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Container.resolve_parse_tree = follow  # type: ignore[method-assign]
        new = {name: resolver for name, resolver in kept.items() if name not in all_of_them}
        BaseContainer._resolvers = all_of_them | new
