"""What one batch shows of a model, as a table or picture; no code that changes it."""
