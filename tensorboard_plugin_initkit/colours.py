"""The colors of the layer heatmaps, in images and in the tab.

It imports nothing.
"""

VIRIDIS = (
    *("#440154", "#48186a", "#472d7b", "#424086", "#3b528b", "#33638d"),
    *("#2c728e", "#26828e", "#21918c", "#1fa088", "#28ae80", "#3fbc73"),
    *("#5ec962", "#84d44b", "#addc30", "#d8e219", "#fde725"),
)
"""Matplotlib's viridis (van der Walt & Smith, 2015) at 17 evenly spaced places.

Linear interpolation between them in sRGB is within 6 of 255 of the original.
"""

# With normal vision and with each kind of color blindness, these differ from each
# other and from all of viridis by more than 25 in CIELAB.
NAN = "#df20ff"
INFINITE = "#d00000"
ZERO = "#000000"
