"""Initializers and layer statistics for Keras 3, to be seen in TensorBoard."""

from keras_initkit.callbacks.layer_stats import LayerStatsCallback
from keras_initkit.callbacks.training_loop import layer_stats
from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.signal.gains import calculate_gain

__all__ = [
    "DynamicRescaling",
    "LayerStatsCallback",
    "ScaledDepth",
    "calculate_gain",
    "layer_stats",
]
