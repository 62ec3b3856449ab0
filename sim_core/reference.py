"""What a slowdown is relative to: the same request alone on the paper's reference machine, a DGX-A100.

Source: Patel et al., Splitwise, ISCA 2024, table of SLOs. These figures decide results; limits on them
(`sync.results.slo`) do not.
"""

REFERENCE_HARDWARE = "a100-80gb"
REFERENCE_TENSOR_PARALLELISM = 8
METRICS = ("ttft", "tbt", "e2e")
SLOWDOWN_PERCENTILES = ("p50", "p90", "p99")
