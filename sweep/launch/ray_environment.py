"""The environment variables that Ray reads when it is imported and started."""

from __future__ import annotations

# With this setting a cluster that `ray.init` starts has the address 127.0.0.1, and all of its processes listen there
# alone. Without it Ray replaces a loopback address by the machine's own, and listens on all interfaces. Ray sets it by
# itself on Windows and macOS, hence the name. It must not be set in a process that joins a cluster of other machines.
LOOPBACK_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

# No statistics about the use of Ray, and no warning about GPUs, which runs do not use.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
