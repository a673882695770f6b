"""A picture of a statistic in every layer at every recorded step."""

import io
from bisect import bisect
from collections.abc import Sequence
from functools import cache
from math import ceil
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.ImageColor import getrgb

from keras_initkit.tensorboard.event_file import EventFile
from keras_initkit.tensorboard.images import write_image
from tensorboard_plugin_initkit.colours import INFINITE, NAN, VIRIDIS, ZERO
from tensorboard_plugin_initkit.scales import scale

PREFIX = "layer_heatmap"
MAX_COLUMNS = 400

# All sizes are in pixels.
FONT_SIZE = 14
LINE = 17
NAME_LINE = 15
GAP = 10
CELLS_WIDTH = 400
CELLS_HEIGHT = 600
ROW_HEIGHTS = (2, 32)
MIN_BAR_HEIGHT = 150
NAMES_WIDTH = 160.0
BAR_WIDTH = 18
SQUARE = 12
BAR_LABELS_WIDTH = 50
STEP_LABELS_GAP = 24

MAX_STEP_LABELS = 9
MAX_DECADES = 8
LINEAR_LABELS = 6
COLOURS = 256


def write_layer_heatmap(
    file: EventFile,
    key: str,
    layers: Sequence[str],
    steps: np.ndarray,
    values: np.ndarray,
) -> None:
    """Writes the picture of all records so far under `layer_heatmap/<key>`.

    Args:
        file: where the event goes, with the last step.
        key: as in `layer_heatmap`, like the other arguments.

    Raises:
        ValueError: if the scale of the statistic has no bounds.
        OSError: if the disk is full, or the file or its file system has gone.
    """
    png = layer_heatmap(key, layers, steps, values)
    write_image(file, f"{PREFIX}/{key}", int(steps[-1]), png)


def layer_heatmap(
    key: str, layers: Sequence[str], steps: np.ndarray, values: np.ndarray
) -> bytes:
    """Draws a statistic over layers and recorded steps, on its fixed scale.

    A row is a layer, the first one at the top, with its number and name if there is
    room. A column is a record. All columns have the same width, however many steps lie
    between them. If there are more than 400 records, it picks 400 evenly, including the
    first and the last. A color means the same in every picture of the statistic. Values
    beyond the scale have the colors of its ends.

    Examples:

    >>> values = 10.0 ** -np.arange(6).reshape(2, 3)
    >>> png = layer_heatmap("gradient_variance", "abc", np.array([0, 1]), values)
    >>> _ = Path("heatmap.png").write_bytes(png)

    Args:
        key: the name of a statistic whose scale has bounds.
        layers: names of the layers from input to output, at least one.
        steps: shape (records,), the training steps, at least one.
        values: shape (records, layers).

    Returns:
        A PNG file, in RGB.

    Raises:
        ValueError: if the scale of the statistic has no bounds.
    """
    axis = _axis(key)
    picked = _evenly(len(steps), MAX_COLUMNS)
    place = _place(layers)
    picture = Image.new("RGB", place.picture_size, "white")
    draw = ImageDraw.Draw(picture)
    draw.font = _font()
    title = f"{key}, up to step {steps[-1]}"
    draw.text((GAP, GAP), title, "black", anchor="la")
    _paste(picture, _colours(values[picked].T, axis), place.cells)
    _draw_names(draw, place, layers)
    _draw_steps(draw, place, steps[picked])
    _draw_bar(picture, draw, place, axis)
    _draw_legend(draw, place, axis)
    file = io.BytesIO()
    picture.save(file, "png", compress_level=1)
    return file.getvalue()


class _Axis(NamedTuple):
    logarithmic: bool
    low: float
    high: float


def _axis(key: str) -> _Axis:
    axis = scale(key)
    if axis.low is None or axis.high is None:
        raise ValueError(
            f"`key` must name a statistic whose scale has bounds. Received: key={key!r}"
        )
    return _Axis(axis.logarithmic, axis.low, axis.high)


class _Place(NamedTuple):
    """The position of the cells: their left and upper edge, and the height of a row."""

    left: int
    top: int
    row: int
    layers: int

    @property
    def cells(self) -> tuple[int, int, int, int]:
        bottom = self.top + self.row * self.layers
        return self.left, self.top, self.left + CELLS_WIDTH, bottom

    @property
    def bar(self) -> tuple[int, int, int, int]:
        _, top, cells_right, bottom = self.cells
        left = cells_right + 2 * GAP
        return left, top, left + BAR_WIDTH, max(bottom, top + MIN_BAR_HEIGHT)

    @property
    def legend(self) -> int:
        """The middle of the legend's line, below the steps and their title."""
        return self.cells[3] + GAP + 3 * LINE

    @property
    def picture_size(self) -> tuple[int, int]:
        _, _, right, bar_bottom = self.bar
        height = max(self.legend + LINE, bar_bottom + GAP)
        return right + BAR_LABELS_WIDTH, height

    @property
    def named(self) -> range:
        """The numbers of the layers with a written name."""
        return range(0, self.layers, ceil(NAME_LINE / self.row))


def _place(layers: Sequence[str]) -> _Place:
    row = int(np.clip(CELLS_HEIGHT // len(layers), *ROW_HEIGHTS))
    place = _Place(0, GAP + LINE + GAP, row, len(layers))
    widths = [_width(_label(layers, number)) for number in place.named]
    return place._replace(left=GAP + ceil(max(widths)) + GAP)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT_SIZE)


def _width(text: str) -> float:
    return _font().getlength(text)


def _label(layers: Sequence[str], number: int) -> str:
    """A layer's number and name, without its middle if it is too long."""
    name = f"{number} {layers[number]}"
    if _width(name) <= NAMES_WIDTH:
        return name
    kept = bisect(
        range(len(name)),
        NAMES_WIDTH,
        key=lambda kept: _width(_without_middle(name, kept)),
    )
    return _without_middle(name, kept - 1)


def _without_middle(name: str, kept: int) -> str:
    return f"{name[: (kept + 1) // 2]}…{name[len(name) - kept // 2 :]}"


def _evenly(count: int, most: int) -> np.ndarray:
    """Evenly spaced indices, at most `most`, including the first and the last."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


@cache
def _palette() -> np.ndarray:
    """The colors of the scale, then those of NaN, infinity and 0: uint8, (259, 3)."""
    anchors = np.array([getrgb(colour) for colour in VIRIDIS])
    at = np.linspace(0, len(anchors) - 1, COLOURS)
    channels = [np.interp(at, np.arange(len(anchors)), c) for c in anchors.T]
    special = [getrgb(colour) for colour in (NAN, INFINITE, ZERO)]
    return np.concatenate([np.round(channels).T, special]).astype("uint8")


def _colours(values: np.ndarray, axis: _Axis) -> np.ndarray:
    """The color of each value: uint8, with an extra axis of 3."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shown = np.log10(values) if axis.logarithmic else values
        share = (shown - axis.low) / (axis.high - axis.low)
    index = np.nan_to_num(share.clip(0, 1) * (COLOURS - 1)).round().astype(int)
    index[np.isnan(share)] = COLOURS
    index[np.isinf(values)] = COLOURS + 1
    if axis.logarithmic:
        index[values == 0] = COLOURS + 2
    return _palette()[index]


def _paste(
    picture: Image.Image, colours: np.ndarray, box: tuple[int, int, int, int]
) -> None:
    """Fills a box with cells of one color each."""
    left, top, right, bottom = box
    cells = Image.fromarray(np.ascontiguousarray(colours))
    size = (right - left, bottom - top)
    picture.paste(cells.resize(size, Image.Resampling.NEAREST), (left, top))


def _draw_names(
    draw: ImageDraw.ImageDraw, place: _Place, layers: Sequence[str]
) -> None:
    for number in place.named:
        y = place.top + (number + 0.5) * place.row
        at = (place.left - GAP, y)
        draw.text(at, _label(layers, number), "black", anchor="rm")


def _draw_steps(draw: ImageDraw.ImageDraw, place: _Place, steps: np.ndarray) -> None:
    left, _, right, bottom = place.cells
    width = _width(str(steps.max())) + STEP_LABELS_GAP
    most = int(np.clip(CELLS_WIDTH // width, 2, MAX_STEP_LABELS))
    for column in _evenly(len(steps), most):
        x = left + (column + 0.5) / len(steps) * CELLS_WIDTH
        draw.line((x, bottom, x, bottom + 3), "black")
        draw.text((x, bottom + GAP), str(steps[column]), "black", anchor="ma")
    title = "recorded training step"
    middle = (left + right) / 2
    draw.text((middle, bottom + GAP + LINE), title, "black", anchor="ma")


def _draw_bar(
    picture: Image.Image, draw: ImageDraw.ImageDraw, place: _Place, axis: _Axis
) -> None:
    _, top, right, bottom = place.bar
    _paste(picture, _palette()[COLOURS - 1 :: -1, None], place.bar)
    for share, label in _bar_labels(axis):
        y = bottom - share * (bottom - top)
        draw.line((right, y, right + 3, y), "black")
        draw.text((right + GAP // 2, y), label, "black", anchor="lm")


def _bar_labels(axis: _Axis) -> list[tuple[float, str]]:
    """The labels of the bar with their positions, from 0 (bottom) to 1 (top)."""
    _, low, high = axis
    if not axis.logarithmic:
        shares = np.linspace(0, 1, LINEAR_LABELS)
        return [(share, f"{low + share * (high - low):g}") for share in shares]
    stride = ceil((high - low) / MAX_DECADES)
    decades = np.arange(ceil(low), high + 1, stride)
    return [((decade - low) / (high - low), f"1e{decade:g}") for decade in decades]


def _draw_legend(draw: ImageDraw.ImageDraw, place: _Place, axis: _Axis) -> None:
    """Draws the legend of the colors beside the scale."""
    entries = [("NaN", NAN), ("infinite", INFINITE)]
    if axis.logarithmic:
        entries.append(("0", ZERO))
    x: float = place.left
    y = place.legend
    for text, colour in entries:
        draw.rectangle((x, y - SQUARE / 2, x + SQUARE, y + SQUARE / 2), colour)
        draw.text((x + SQUARE + GAP / 2, y), text, "black", anchor="lm")
        x += SQUARE + GAP / 2 + _width(text) + 2 * GAP
