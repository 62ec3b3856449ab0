"""A run as `trace.perfetto.json`, a file to open in Perfetto's UI (ui.perfetto.dev) or chrome://tracing."""

from configs.gpu_power import GpuPower, power_from_config
from sync.files.perfetto.options import PerfettoOptions, options_from_config
from sync.files.perfetto.tracks import PerfettoTrace

__all__ = ["GpuPower", "PerfettoOptions", "PerfettoTrace", "options_from_config", "power_from_config"]
