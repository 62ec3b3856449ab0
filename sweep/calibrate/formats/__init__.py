"""Formats of benchmark results. A new one: a file here, and a line in the table."""

from pathlib import Path

from sim_core.errors import SpecError
from sweep.calibrate.formats.aiperf import Aiperf
from sweep.calibrate.formats.base import Format, MeasuredPoint, content_of
from sweep.calibrate.formats.guidellm import Guidellm
from sweep.calibrate.formats.sglang import Sglang
from sweep.calibrate.formats.table import Table
from sweep.calibrate.formats.vllm import Vllm

FORMATS: dict[str, Format] = {
    "vllm": Vllm(),
    "sglang": Sglang(),
    "guidellm": Guidellm(),
    "aiperf": Aiperf(),
    "csv": Table(),
}


def read_points(path: Path) -> list[MeasuredPoint]:
    """The measured points in a file, whose format its content tells. SpecError in one line."""
    content = content_of(path)
    for known in FORMATS.values():
        if known.recognises(content):
            return known.points(content)
    about = "; ".join(known.about for known in FORMATS.values())
    raise SpecError(f"is in no format that is known ({about})", source=str(path))


__all__ = ["FORMATS", "MeasuredPoint", "read_points"]
