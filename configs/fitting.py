"""Says what would fit where a model does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sim_core.errors import CapacityError


@contextmanager
def fits_named(config: Mapping[str, Any]) -> Iterator[None]:
    """Within this block an error about a model that does not fit also says with which weights and machines it would.
    `config` is a resolved configuration."""
    try:
        yield
    except CapacityError as error:
        from configs.catalogue import what_fits  # here: most runs fit

        names = {str(entry.get("model_architecture")) for entry in config.get("applications", ())}
        if not (fitting := what_fits(names)):
            raise
        raise CapacityError(f"{error}; what fits: {'; '.join(fitting)}") from error
