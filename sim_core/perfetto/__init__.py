"""The run as a picture: `trace.perfetto.json`, to be opened in Perfetto's UI (ui.perfetto.dev) or chrome://tracing."""

from sim_core.perfetto.options import GpuPower, PerfettoOptions, options_from_config, power_from_config
from sim_core.perfetto.tracks import PerfettoTrace

__all__ = ["GpuPower", "PerfettoOptions", "PerfettoTrace", "options_from_config", "power_from_config"]
