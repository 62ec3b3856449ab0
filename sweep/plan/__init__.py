"""The planner: which cluster carries most, or which costs least, and how sure that is. docs/planning.md has the method.

`question` is what an experiment's `find:` asks, `space` the clusters that may answer it, `evidence` what is known of
them by runs, `most` and `least` search, `planner` says which runs are wanted next and what was found.
"""
