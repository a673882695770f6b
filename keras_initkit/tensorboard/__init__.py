"""Records become event files; nothing that knows a model, Keras or TensorFlow."""
