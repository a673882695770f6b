import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from PIL.ImageColor import getrgb
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.image import metadata

from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.layer_heatmap import layer_heatmap, write_layer_heatmap
from tensorboard_plugin_initkit.colours import INFINITE, NAN, VIRIDIS, ZERO

KEY = "gradient_variance"  # on a scale from 1e-16 to 1


def decoded(key, layers, steps, values):
    """The picture's pixels: shape (height, width, 3)."""
    png = layer_heatmap(key, layers, np.asarray(steps), np.asarray(values))
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return np.array(picture)


def is_colour(pixels, colour):
    return (pixels == getrgb(colour)).all(axis=-1)


def cell_colours(key, layers, steps, values, columns):
    """The color in the middle of each cell: shape (layers, columns, 3)."""
    # A picture with only NaN tells where the cells are.
    filled = is_colour(
        decoded(key, layers, steps, np.full(np.shape(values), np.nan)), NAN
    )
    rows = np.flatnonzero(filled.sum(axis=1) > 300)
    across = np.flatnonzero(filled[rows[0]])
    y = rows[0] + (np.arange(len(layers)) + 0.5) * len(rows) / len(layers)
    x = across[0] + (np.arange(columns) + 0.5) * len(across) / columns
    pixels = decoded(key, layers, steps, values)
    return pixels[np.ix_(y.astype(int), x.astype(int))]


def viridis(share):
    """The color of matplotlib's map, interpolated between our 17 samples."""
    anchors = np.array([getrgb(colour) for colour in VIRIDIS])
    place = share * (len(anchors) - 1)
    left = min(int(place), len(anchors) - 2)
    return anchors[left] + (place - left) * (anchors[left + 1] - anchors[left])


def test_colour_of_a_cell_is_the_one_of_its_value():
    values = 10.0 ** -np.array([[0, 4, 8], [12, 16, 2], [6, 10, 14], [1, 3, 5]])
    cells = cell_colours(KEY, "abc", [0, 1, 2, 50], values, columns=4)
    for record, layer in np.ndindex(values.shape):
        expected = viridis(1 + np.log10(values[record, layer]) / 16)
        np.testing.assert_allclose(cells[layer, record], expected, atol=3)


def test_values_beyond_the_scale_have_the_colours_of_its_ends():
    cells = cell_colours(KEY, "ab", [0], [[1e-30, 1e30]], columns=1)
    assert [tuple(colour) for colour in cells[:, 0]] == [
        getrgb(VIRIDIS[0]),
        getrgb(VIRIDIS[-1]),
    ]


def test_nan_infinity_and_0_have_colours_of_their_own():
    cells = cell_colours(KEY, "abc", [0], [[np.nan, np.inf, 0]], columns=1)
    expected = [getrgb(NAN), getrgb(INFINITE), getrgb(ZERO)]
    assert [tuple(colour) for colour in cells[:, 0]] == expected


def test_on_a_linear_scale_0_is_a_value():
    cells = cell_colours("dead_fraction", "abc", [0], [[0, 0.5, 1]], columns=1)
    for colour, share in zip(cells[:, 0], (0, 0.5, 1), strict=True):
        np.testing.assert_allclose(colour, viridis(share), atol=3)


def test_of_too_many_records_the_first_and_the_last_are_there():
    values = np.full((1001, 2), 1e-8)
    values[0], values[-1] = np.nan, np.inf
    cells = cell_colours(KEY, "ab", np.arange(1001), values, columns=400)
    assert is_colour(cells[:, 0], NAN).all()
    assert is_colour(cells[:, -1], INFINITE).all()
    assert np.abs(cells[:, 1:-1] - viridis(0.5)).max() <= 3


def test_legend_is_there_where_no_value_needs_it():
    pixels = decoded(KEY, "a", [0], [[1e-8]])
    for colour in (NAN, INFINITE, ZERO):
        assert is_colour(pixels, colour).sum() > 100


@pytest.fixture
def texts(monkeypatch):
    """The texts in pictures, each with its box."""
    written = []
    text = ImageDraw.ImageDraw.text

    def remember(draw, xy, string, *args, **kwargs):
        box = draw.textbbox(xy, string, anchor=kwargs["anchor"])
        written.append((string, box))
        text(draw, xy, string, *args, **kwargs)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", remember)
    return written


@pytest.mark.parametrize("key", [KEY, "pre_activation_variance", "dead_fraction"])
@pytest.mark.parametrize("num_layers", [1, 3, 11, 100, 500])
@pytest.mark.parametrize("records", [1, 2, 400])
def test_no_text_is_cut_or_over_another(texts, key, num_layers, records):
    layers = [
        "encoder/" * (i % 9) + f"multi_head_attention_{i}" for i in range(num_layers)
    ]
    steps = np.arange(records) * 10_000
    height, width, _ = decoded(key, layers, steps, np.ones((records, num_layers))).shape
    boxes = np.array([box for _, box in texts])
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= width
    assert boxes[:, 3].max() <= height
    left, top, right, bottom = boxes.T[:, :, None]
    overlap = (left < right.T) & (right > left.T) & (top < bottom.T) & (bottom > top.T)
    np.fill_diagonal(overlap, False)
    assert not overlap.any(), [texts[i] for i in np.flatnonzero(overlap.any(axis=1))]


def test_what_is_written(texts):
    layers = [f"dense_{i}" for i in range(40)]
    layers[7] = "a_very_long_beginning_of_a_name/and_an_even_longer_end_of_it"
    decoded(KEY, layers, [0, 20, 120], np.ones((3, 40)))
    strings = [string for string, _ in texts]
    assert {"gradient_variance, up to step 120", "0", "20", "120"} <= set(strings)
    assert {"1e-16", "1e-8", "1e0", "NaN", "infinite"} <= set(strings)
    assert {f"{i} dense_{i}" for i in range(40) if i != 7} <= set(strings)
    [cut] = [string for string in strings if "…" in string]
    start, end = cut.split("…")
    assert f"7 {layers[7]}".startswith(start)
    assert layers[7].endswith(end)


def test_of_many_layers_every_nth_is_named(texts):
    decoded(KEY, [f"dense_{i}" for i in range(100)], [0], np.ones((1, 100)))
    named = [int(string.split()[0]) for string, _ in texts if "dense" in string]
    assert named == list(range(0, 100, named[1]))
    assert named[1] > 1


def test_a_statistic_whose_scale_has_no_bounds():
    with pytest.raises(ValueError, match=r"bounds.* Received: key='weight_my_own'"):
        layer_heatmap("weight_my_own", "a", np.zeros(1), np.ones((1, 1)))


def test_tensorboard_reads_it(tmp_path):
    steps, values = np.array([0, 7]), np.ones((2, 3))
    with EventFile(tmp_path) as file:
        write_layer_heatmap(file, KEY, "abc", steps, values)
    reader = EventAccumulator(str(tmp_path)).Reload()
    tag = "layer_heatmap/gradient_variance"
    plugin = reader.summary_metadata[tag].plugin_data.plugin_name
    assert plugin == metadata.PLUGIN_NAME
    [event] = reader.Tensors(tag)
    assert event.step == 7
    assert event.tensor_proto.string_val[2] == layer_heatmap(KEY, "abc", steps, values)
