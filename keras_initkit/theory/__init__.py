"""How variance travels through activations and depth: numbers only, no model."""
