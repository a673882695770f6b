"""Comparisons on data and the command line; nothing that other packages import."""
