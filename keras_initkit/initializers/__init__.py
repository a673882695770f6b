"""Classes for `kernel_initializer=` and `bias_initializer=`; none sees a model."""
