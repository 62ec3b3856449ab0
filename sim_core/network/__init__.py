"""Networks move KV caches between replicas. A new one: a file here, a line in the table, a config file."""

from sim_core.network.base import Network, WaitingTransfers, Wiring
from sim_core.network.use import LinkUse
from sim_core.table import Table

NETWORKS: Table[Network] = Table(
    "sim_core.network",
    private="private.PrivateLinks",
    shared="shared.FairShares",
    shared_fifo="shared_fifo.FirstComeLinks",
)

__all__ = ["NETWORKS", "LinkUse", "Network", "WaitingTransfers", "Wiring"]
