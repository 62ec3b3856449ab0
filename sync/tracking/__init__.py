"""Results in MLflow: the store, what is written into it, and reading it back."""
