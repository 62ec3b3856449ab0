"""A tree of texts that says which of them begin alike, and up to where each replica has parts of them.

A stem is the text of one content from the block on at which it first differs from all before it; contents that begin
like it fork from it. A content is looked up by as many stems as it has turns and shared beginnings, not by its blocks.
"""

from __future__ import annotations

from sim_core.kv.content import ENDLESS, Content


class Reach:
    """How far along a stem the texts of one kind go: `furthest` is the place at which the longest of them ends."""

    __slots__ = ("_counts", "_fork", "furthest")

    def __init__(self, fork: int) -> None:
        self._fork = fork
        self._counts: dict[int, int] = {}  # by place: texts that end there, and stems with such texts that fork there
        self.furthest = fork

    def add(self, end: int) -> bool:
        """One more ends at `end`. Returns whether it is the first one."""
        counts = self._counts
        is_first = not counts
        counts[end] = counts.get(end, 0) + 1
        if end > self.furthest:
            self.furthest = end
        return is_first

    def remove(self, end: int) -> bool:
        """One less ends at `end`. Returns whether it was the last one."""
        counts = self._counts
        left = counts[end] - 1
        if left:
            counts[end] = left
            return False
        del counts[end]
        if end == self.furthest:
            self.furthest = max(counts, default=self._fork)
        return not counts

    def is_empty(self) -> bool:
        """Whether there is none."""
        return not self._counts


class Part:
    """What one replica has of a stem: `held` by the texts of which its cache may have blocks, and `prompts` by the
    prompts of its open requests."""

    __slots__ = ("held", "prompts")

    def __init__(self, fork: int) -> None:
        self.held = Reach(fork)
        self.prompts = Reach(fork)

    def is_empty(self) -> bool:
        """Whether it is none."""
        return self.held.is_empty() and self.prompts.is_empty()


class Stem:
    """The blocks of `content` from the place `fork` on; those before it belong to `parent`."""

    __slots__ = ("content", "fork", "forks", "key", "parent", "parts")

    def __init__(self, content: Content | None, fork: int, parent: Stem | None, key: tuple[int, ...]) -> None:
        self.content = content  # None: the root's
        self.fork = fork
        self.parent = parent
        self.key = key  # in `parent.forks`
        self.forks: dict[tuple[int, ...], Stem] = {}  # by the place and the tokens of their first block
        self.parts: dict[int, Part] = {}  # by replica

    def part(self, replica: int) -> Part:
        """The part of a replica; a new one where it has none."""
        part = self.parts.get(replica)
        if part is None:
            self.parts[replica] = part = Part(self.fork)
        return part


class Stems:
    """The tree. `path` has the stems of the content that was looked up last, from its first block on, and `ends` the
    places at which it leaves them."""

    __slots__ = ("_found", "_root", "ends", "path", "size")

    def __init__(self, block_size: int) -> None:
        self.size = block_size
        self._root = Stem(None, 0, None, ())
        self._found: Content | None = None  # what `path` is of, while that is true
        self.path: list[Stem] = []
        self.ends: list[int] = []

    def find(self, content: Content) -> None:
        """Look up a content: `path` and `ends` are its own from now on, as far as it begins like others."""
        if self._found is content:
            return
        self._found = content
        path, ends, size = self.path, self.ends, self.size
        path.clear()
        ends.clear()
        stem, place = self._root, 0
        while place < ENDLESS:
            forks = stem.forks
            fork: Stem | None
            if len(forks) == 1:  # the next turn of a session: to compare is all that is needed
                fork = next(iter(forks.values()))
            else:
                fork = forks.get((place, *content.block(place * size, size)))
            if fork is None or fork.fork != place or fork.content is None:
                return
            equal = fork.content.equal_up_to(content, place * size)
            if equal < (place + 1) * size:
                return
            place = equal // size if equal < ENDLESS else ENDLESS
            path.append(fork)
            ends.append(place)
            stem = fork

    def stem_of(self, content: Content) -> Stem:
        """The last stem of a content, its own one."""
        self.find(content)
        path, ends, size = self.path, self.ends, self.size
        place = ends[-1] if ends else 0
        parent = path[-1] if path else self._root
        if place >= ENDLESS:
            return parent
        key = (place, *content.block(place * size, size))
        parent.forks[key] = stem = Stem(content, place, parent, key)
        path.append(stem)
        ends.append(ENDLESS)
        return stem

    # -- what the replicas have ----------------------------------------------------------------------------------------

    # A text that is the first one of its replica on a stem is counted on the stem before it, too, and so on. Most
    # texts go on where another one of the replica has ended, so that few stems are looked at.

    def hold(self, content: Content, replica: int) -> Stem:
        """The cache of a replica may have blocks of a content from now on. Returns the stem to forget it by."""
        own = self.stem_of(content)
        stem, end = own, ENDLESS
        while stem.parent is not None and stem.part(replica).held.add(end):
            stem, end = stem.parent, stem.fork
        return own

    def forget(self, own: Stem, replica: int) -> None:
        """The cache has no block of it any more, but for those of others."""
        stem, end = own, ENDLESS
        while stem.parent is not None:
            part = stem.parts[replica]
            if not part.held.remove(end):
                break
            if part.is_empty():
                del stem.parts[replica]
            stem, end = stem.parent, stem.fork
        self._tidy(own)

    def add_prompt(self, own: Stem, replica: int, blocks: int) -> int:
        """A prompt of so many blocks is open on a replica. Returns how many of them no other open prompt has there."""
        new, stem, end = 0, _where_ends(own, blocks), blocks
        while stem.parent is not None:
            prompts = stem.part(replica).prompts
            before = prompts.furthest
            is_first = prompts.add(end)
            new += prompts.furthest - before
            if not is_first:
                break
            stem, end = stem.parent, stem.fork
        return new

    def remove_prompt(self, own: Stem, replica: int, blocks: int) -> int:
        """The prompt is no longer open. Returns how many of its blocks no other open prompt has there."""
        gone, stem, end = 0, _where_ends(own, blocks), blocks
        while stem.parent is not None:
            part = stem.parts[replica]
            prompts = part.prompts
            before = prompts.furthest
            was_last = prompts.remove(end)
            gone += before - prompts.furthest
            if not was_last:
                break
            if part.is_empty():
                del stem.parts[replica]
            stem, end = stem.parent, stem.fork
        self._tidy(own)
        return gone

    def _tidy(self, own: Stem) -> None:
        """Remove a stem that no replica has a part of, and those before it that only led to it."""
        stem = own
        while not (stem.parts or stem.forks):
            parent = stem.parent
            if parent is None or parent.forks.get(stem.key) is not stem:
                return
            del parent.forks[stem.key]
            self._found = None
            stem = parent


def _where_ends(own: Stem, blocks: int) -> Stem:
    """The stem in which the last of the first `blocks` blocks lies; the root for none."""
    stem = own
    while stem.parent is not None and blocks <= stem.fork:
        stem = stem.parent
    return stem
