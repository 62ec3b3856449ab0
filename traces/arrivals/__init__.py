"""Arrival processes, one file each; traces/arrivals/table.py lists them."""
