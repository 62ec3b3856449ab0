"""The plugins of a run, as results know them: files with policies of a user's own, by name and SHA-256.

Results hold their text for whoever wants to read it, and no command runs it.
"""

from __future__ import annotations

from collections.abc import Callable

from sync.results.outcome import Outcome, SweepInfo

_SHOWN = 16  # digits of a SHA-256


def reproduce(outcome: Outcome, scrub: Callable[[str], str]) -> list[str]:
    """The words of the command that makes a run again, in a checkout of its commit, with its plugins at hand."""
    plugins = [word for file in outcome.plugins for word in ("--plugin", file)]
    return ["python", "-m", "sim_core", *map(scrub, plugins + list(outcome.overrides))]


def plugin_files(sweep: SweepInfo, scrub: Callable[[str], str]) -> dict[str, bytes]:
    """The plugins of a sweep as files to read, by names that tell versions apart."""
    return {
        f"plugin-{digest[:_SHOWN]}-{kept.get('file', '')}": scrub(kept.get("text", "")).encode()
        for digest, kept in sweep.plugins.items()
    }


def plugins_text(outcome: Outcome) -> str:
    """`my_policy.py (sha256 1e3ac360ea43e877)`, of all plugins of a run; empty: it has none."""
    return ", ".join(f"{file} (sha256 {digest[:_SHOWN]})" for file, digest in outcome.plugins.items())
