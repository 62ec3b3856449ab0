"""Measured figures that runs read, and `build`, which works them out from the published raw files."""
