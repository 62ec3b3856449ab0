"""The name of a plugin's file. Results hold it, and it becomes an argument of a command: no option, and no path."""

SUFFIX = ".py"
NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.py"
