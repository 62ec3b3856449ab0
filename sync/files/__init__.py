"""Results as files: SplitwiseSim's CSV files and Perfetto traces."""
