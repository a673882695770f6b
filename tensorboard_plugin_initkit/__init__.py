"""The TensorBoard tab of keras_initkit, and its contract with the event files."""
