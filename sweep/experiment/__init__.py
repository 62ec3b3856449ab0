"""Experiment files: read, expanded to points, and checked before anything runs."""
