"""Reports on a model from one batch, as a table or picture. Nothing changes it."""
