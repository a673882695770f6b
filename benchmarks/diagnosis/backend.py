"""Sets the backend of the benchmark. Import it before Keras."""

import os

# PyTorch traces nothing, and trains a small network in two seconds.
os.environ.setdefault("KERAS_BACKEND", "torch")
# With small tensors, more threads are slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
