"""Networks move KV caches between replicas. A new one: a file here, a line in the table, a config file."""

from sim_core.network.base import Network, WaitingTransfers, Wiring
from sim_core.network.private import PrivateLinks
from sim_core.network.shared import FairShares
from sim_core.network.shared_fifo import FirstComeLinks
from sim_core.network.use import LinkUse

NETWORKS: dict[str, type[Network]] = {
    "private": PrivateLinks,
    "shared": FairShares,
    "shared_fifo": FirstComeLinks,
}

__all__ = ["NETWORKS", "LinkUse", "Network", "WaitingTransfers", "Wiring"]
