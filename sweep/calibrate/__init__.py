"""`python -m sim_core calibrate`: fits step times and TTFT to benchmark results of the user's own engine."""
