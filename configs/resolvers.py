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

OURS = ("eval", "project_root")
MOST_REFERENCES = 10_000  # that are followed for one configuration: a few that name others twice would take all memory
LONGEST_TEXT = 100_000  # characters of a text with its references replaced
_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:")


def register_resolvers() -> None:
    """Make `${eval:'...'}` (arithmetic) and `${project_root:}` (the folder with the packages) available in
    configurations. May be called again."""
    OmegaConf.register_new_resolver("eval", evaluate, replace=True)
    OmegaConf.register_new_resolver("project_root", lambda: str(Path(__file__).resolve().parents[1]), replace=True)


def resolvers_in(texts: Iterable[str]) -> set[str]:
    """The names of all resolvers that are written out in these texts."""
    return {name for text in texts for name in _RESOLVER.findall(text)}


@contextmanager
def only_our_resolvers(also: Collection[str] = ()) -> Iterator[None]:
    """Within this block OmegaConf knows our resolvers, those that are named in `also`, and those that the block itself
    registers. Raises SpecError within the block for more than `MOST_REFERENCES`, and for too long a text."""
    register_resolvers()
    all_of_them, follow = BaseContainer._resolvers, Container.resolve_parse_tree
    kept = {name: all_of_them[name] for name in (*OURS, *also) if name in all_of_them}
    followed = 0

    def counted(self: Container, *args: Any, **kwargs: Any) -> Any:
        nonlocal followed
        followed += 1
        if followed > MOST_REFERENCES:
            raise SpecError(f"more than {MOST_REFERENCES} references ${{...}} have to be followed")
        value = follow(self, *args, **kwargs)
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise SpecError(f"with its references replaced the text has more than {LONGEST_TEXT} characters")
        return value

    BaseContainer._resolvers = kept
    Container.resolve_parse_tree = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Container.resolve_parse_tree = follow  # type: ignore[method-assign]
        new = {name: resolver for name, resolver in kept.items() if name not in all_of_them}
        BaseContainer._resolvers = all_of_them | new
