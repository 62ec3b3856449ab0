"""The machine that slowdowns are relative to: the paper's DGX-A100, on which a request runs alone.

Source: Patel et al., Splitwise, ISCA 2024, table of SLOs. `sync.results.measure` works out the slowdowns.
"""

REFERENCE_HARDWARE = "a100-80gb"
REFERENCE_TENSOR_PARALLELISM = 8
