"""Records become event files; no code that knows a model, Keras or TensorFlow."""
