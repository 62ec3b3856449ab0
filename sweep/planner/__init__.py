"""The planner: which cluster carries most, or which costs least, and how sure that is. docs/planning.md has the method.

`space` describes the clusters that may answer a question, `spaces` makes them of an experiment, `evidence` is what is
known of them by runs, `most` and `least` search, `searches` says which runs are wanted next and what was found.
"""
