"""Comparisons on data and the command line; no code that other packages import."""
