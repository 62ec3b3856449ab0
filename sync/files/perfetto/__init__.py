"""A run as `trace.perfetto.json`, a file to open in Perfetto's UI (ui.perfetto.dev) or chrome://tracing."""
