"""Distributions of prompt and output sizes, one file each; traces/distributions/table.py lists them."""
