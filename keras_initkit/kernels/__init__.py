"""A model's kernels: names, fans, initializers; nothing that measures or changes them."""
