"""What one batch shows about a model, as a table or picture. Nothing changes it."""
