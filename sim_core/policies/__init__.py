"""The policies that a run uses, by their names: those of the families' tables, and those of the run's plugins."""

from __future__ import annotations

from collections.abc import Sequence

from sim_core.options import reads_configuration
from sim_core.policies.base import Policies
from sim_core.spec import PluginSpec, SimSpec

__all__ = ["Policies", "policies_for", "policies_with"]


def policies_for(spec: SimSpec) -> Policies:
    """The policies that `spec` may name. Raises PluginError for a plugin that cannot be loaded here."""
    return policies_with(spec.plugins)


def policies_with(plugins: Sequence[PluginSpec]) -> Policies:
    """The project's own policies, and those of `plugins`. Raises as `policies_for`."""
    return _with(plugins) if plugins else Policies()


@reads_configuration  # the key of a run covers the code of its plugins: how they are loaded decides nothing
def _with(plugins: Sequence[PluginSpec]) -> Policies:
    from sim_core.policies.checked import PluginPolicies  # here: most runs need none of it

    return PluginPolicies(plugins)
