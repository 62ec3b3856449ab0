"""The environment variables that Ray reads when it is imported and started."""

from __future__ import annotations

# With this setting a cluster that `ray.init` starts has the address 127.0.0.1, and all of its processes listen there
# alone. Without it Ray replaces a loopback address by the machine's own, and listens on all interfaces. Ray sets it by
# itself on Windows and macOS, hence the name. It must not be set in a process that joins a cluster of other machines.
LOOPBACK_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

# No statistics about the use of Ray, and no warning about GPUs, which runs do not use.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}

# Workers keep memory that they free, up to so many bytes: numpy and Arrow ask for columns of half a megabyte again and
# again, and each time the system would have to clear their pages anew. The C library of Linux reads these variables.
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20)}
