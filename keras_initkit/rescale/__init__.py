"""What gives a built model other weights, in place; nothing that only looks at them."""
