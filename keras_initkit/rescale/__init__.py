"""Gives a built model other weights, in place; no code that only looks at them."""
