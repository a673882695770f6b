"""The backend of the benchmark; it is imported before Keras."""

import os

# PyTorch traces nothing, and a small network is trained in two seconds.
os.environ.setdefault("KERAS_BACKEND", "torch")
# With small tensors more threads are slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
