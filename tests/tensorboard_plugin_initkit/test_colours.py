"""Color differences with and without color blindness."""

import itertools

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from tensorboard_plugin_initkit.colours import INFINITE, NAN, VIRIDIS, ZERO

# Machado, Oliveira & Fernandes (2009), severity 1, on linear sRGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def interpolated():
    """The 256 colors of the scale: shape (256, 3), from 0 to 1."""
    anchors = np.array([to_rgb(colour) for colour in VIRIDIS])
    at = np.linspace(0, len(anchors) - 1, 256)
    return np.transpose([np.interp(at, range(len(anchors)), c) for c in anchors.T])


def lab(colours, sight):
    """The CIELAB values of a viewer; the colors are sRGB from 0 to 1."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055))
    linear = np.where(colours <= 0.04045, linear, linear**2.4)
    xyz = (linear @ np.transpose(SIGHT[sight])).clip(0, 1) @ (
        XYZ / XYZ.sum(1)[:, None]
    ).T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def test_scale_is_viridis():
    expected = colormaps["viridis"](np.arange(256))[:, :3]
    assert np.abs(interpolated() - expected).max() < 6 / 255


@pytest.mark.parametrize("sight", SIGHT)
def test_special_colours_are_told_apart(sight):
    special = lab(np.array([to_rgb(c) for c in (NAN, INFINITE, ZERO)]), sight)
    scale = lab(interpolated(), sight)
    for a, b in itertools.combinations(special, 2):
        assert np.linalg.norm(a - b) > 25
    for colour in special:
        assert np.linalg.norm(scale - colour, axis=1).min() > 25
