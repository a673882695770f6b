"""Checks whether a layer's output depends on the scale of its kernel."""

import keras
import numpy as np

from keras_initkit.kernels.calls import LAYERS, KernelCall
from keras_initkit.report.kept_state import assign, read

# Doubling the kernel doubles its share of z, or changes nothing.
_THRESHOLD = 0.5


def is_scale_invariant(call: KernelCall) -> bool:
    """Tells whether the layer normalizes its kernel, as in weight standardization.

    Then z = W x + b is the same for twice the kernel, whatever the bias. The check
    changes the kernel and restores it; Keras's own layers need no check.

    Args:
        call: a call of the layer, outside any graph.

    Reference:

    - [Qiao et al., 2019](https://arxiv.org/abs/1903.10520)
    """
    if type(call.layer) in LAYERS:
        return False
    kernel = read(call.kernel)
    try:
        z, doubled, negative = (
            _pre_activation(call, kernel, factor) for factor in (1, 2, -1)
        )
    finally:
        assign(call.kernel, kernel)
    # The bias, and anything else that does not depend on the kernel, cancels.
    of_kernel, change = (z - negative) / 2, doubled - z
    return bool(np.linalg.norm(change) < _THRESHOLD * np.linalg.norm(of_kernel))


def _pre_activation(call: KernelCall, kernel: np.ndarray, factor: float) -> np.ndarray:
    assign(call.kernel, factor * kernel)
    z = keras.ops.convert_to_numpy(call.pre_activation())
    return z.astype("float64")
