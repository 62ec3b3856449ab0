"""The environment variables that Ray reads when it is imported and started."""

from __future__ import annotations

# With this setting a cluster that `ray.init` starts has the address 127.0.0.1, and all of its processes listen there
# alone. Without it Ray replaces a loopback address by the machine's own, and listens on all interfaces. Ray sets it by
# itself on Windows and macOS, hence the name. It must not be set in a process that joins a cluster of other machines.
LOOPBACK_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

# What a cluster of our own need not look at often: logs, which nobody reads while a sweep runs (for Ray few files count
# as many, so that it looks for new ones once a minute and not ten times a second), and how busy its processes are. The
# two took 1.3% of a core as long as a sweep ran, and take 0.6%.
SELDOM = {
    "RAY_LOG_MONITOR_MANY_FILES_THRESHOLD": "0",
    "LOG_NAME_UPDATE_INTERVAL_S": "60",
    "REPORTER_UPDATE_INTERVAL_MS": "60000",
}

# No statistics about the use of Ray, and no warning about GPUs, which runs do not use.
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}

# Workers keep memory that they free, up to so many bytes: numpy and Arrow ask for columns of half a megabyte again and
# again, and each time the system would have to clear their pages anew. The C library of Linux reads these variables.
_KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20)}

# numpy sorts 100,000 times with AVX-512 in 3.8 ms on AMD's Zen 4, which is slow at its compressing stores, and with
# AVX2 in 0.6 ms. All nodes do the same, so that the same instructions work out the same figures. numpy passes over
# names that it does not know (its versions have their own), but refuses to start where features are enabled as well.
_NO_AVX512 = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
    "NPY_ENABLE_CPU_FEATURES": "",
}

# The variables of a worker, whose point has one core. Processes read them when they start.
OF_WORKERS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **_KEPT_MEMORY,
    **_NO_AVX512,
}
