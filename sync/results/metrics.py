"""The names of a run's metrics and percentiles, as in `ttft/p99_s` and `e2e/p50_slowdown`."""

METRICS = ("ttft", "tbt", "e2e")  # those with a slowdown
SLOWDOWN_PERCENTILES = ("p50", "p90", "p99")
PERCENTILES = ("p50", "p90", "p95", "p99")  # of times
CONCURRENCY = "closed/concurrency"  # clients of a closed loop; the figures of open loops lack it
