"""Classes for `kernel_initializer=` and `bias_initializer=`; nothing that reads a model."""
