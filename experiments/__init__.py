"""The project's own experiments. The folder is a package so that they are installed with the others."""
