"""Kernels of a model: names, fans, initializers; no code that measures or changes."""
