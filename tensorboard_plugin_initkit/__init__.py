"""What keras_initkit's event files and its TensorBoard tab agree on."""
