"""Sweeps: an experiment file becomes points, the points run on Ray or in this process, and every outcome is kept.

The rooms: `experiment` reads the file and builds the points, checked before anything runs; `launch` runs them; `single`
is the command line of single runs; `former` finds what earlier versions finished. The modules here are the command
`python -m sweep`.
"""
