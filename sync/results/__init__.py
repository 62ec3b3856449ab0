"""Results of runs: what an outcome is, the journal that keeps them, and reading them back as tables."""
