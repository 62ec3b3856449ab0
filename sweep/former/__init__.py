"""Keys of runs that were finished before keys covered only the code that decides results."""
