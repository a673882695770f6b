"""The theory of variance in activations and depth: numbers only, no model."""

from keras_initkit.theory.critical import critical_variances, variances_for_depth
from keras_initkit.theory.depth import depth_scales, max_trainable_depth
from keras_initkit.theory.finite_width import finite_width_fluctuation
from keras_initkit.theory.gains import calculate_gain
from keras_initkit.theory.mean_field import (
    chi,
    correlation_map,
    fixed_correlation,
    fixed_variance,
    variance_map,
)

__all__ = [
    "calculate_gain",
    "chi",
    "correlation_map",
    "critical_variances",
    "depth_scales",
    "finite_width_fluctuation",
    "fixed_correlation",
    "fixed_variance",
    "max_trainable_depth",
    "variance_map",
    "variances_for_depth",
]
