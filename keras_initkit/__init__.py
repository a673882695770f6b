"""Initializers and layer statistics for Keras 3, shown in TensorBoard."""

from keras_initkit.callbacks.dynamic_rescaling import DynamicRescalingCallback
from keras_initkit.callbacks.layer_stats import LayerStatsCallback
from keras_initkit.callbacks.training_loop import layer_stats
from keras_initkit.initializers.activation_scaling import ActivationScaling
from keras_initkit.initializers.bias_draws import NormalBias, TorchUniformBias
from keras_initkit.initializers.critical import Critical
from keras_initkit.initializers.delta_orthogonal import DeltaOrthogonal
from keras_initkit.initializers.dynamic_rescaling import DynamicRescaling
from keras_initkit.initializers.log_prior_bias import LogPriorBias
from keras_initkit.initializers.looks_linear import LooksLinear
from keras_initkit.initializers.pretrained import Pretrained
from keras_initkit.initializers.scaled_depth import ScaledDepth
from keras_initkit.initializers.scaled_orthogonal import ScaledOrthogonal
from keras_initkit.initializers.torch_uniform import TorchUniform
from keras_initkit.initializers.zero import ZerO
from keras_initkit.kernels.fans import kernel_fans
from keras_initkit.report.signal_report import signal_report
from keras_initkit.rescale.lsuv import lsuv
from keras_initkit.rescale.reinitialize import reinitialize
from keras_initkit.rescale.residual_branches import scale_residual_branches

__all__ = [
    "ActivationScaling",
    "Critical",
    "DeltaOrthogonal",
    "DynamicRescaling",
    "DynamicRescalingCallback",
    "LayerStatsCallback",
    "LogPriorBias",
    "LooksLinear",
    "NormalBias",
    "Pretrained",
    "ScaledDepth",
    "ScaledOrthogonal",
    "TorchUniform",
    "TorchUniformBias",
    "ZerO",
    "kernel_fans",
    "layer_stats",
    "lsuv",
    "reinitialize",
    "scale_residual_branches",
    "signal_report",
]
