"""Sweeps: an experiment file becomes points, the points run (on Ray, or here), every outcome is kept and handed on.

experiment (the file) -> expand (points, checked before anything runs) -> launcher (serial, Ray) -> worker (one point)
-> journal (on disk) -> sinks (`sync`) -> table (on the screen). `python -m sweep --help` is the command line.
"""
