"""The scenes by their names, and what a page is told of them."""

from typing import Any

from keras_initkit.experiments.play.depth import Depth
from keras_initkit.experiments.play.digits import Digits
from keras_initkit.experiments.play.fields import Number, Values, as_json, checked
from keras_initkit.experiments.play.plane import Plane
from keras_initkit.experiments.play.scene import Scene

PACE = Number(
    "pace", "Steps per picture", 1, 1, 50, is_integer=True, is_logarithmic=True
)


def all_scenes(mnist_path: str | None = None) -> dict[str, Scene]:
    """Those there are, in their order.

    Args:
        mnist_path: as in `load_dataset`; by default MNIST is taken if Keras has it.
    """
    scenes: tuple[Scene, ...] = Plane(), Depth(), Digits(mnist_path)
    return {scene.name: scene for scene in scenes}


def chosen(scenes: dict[str, Scene], name: Any, values: Any) -> tuple[Scene, Values]:
    """A scene and the values of its fields, as a page asks for them.

    Raises:
        ValueError: there is no such scene, or a value is not allowed.
    """
    if not isinstance(name, str) or name not in scenes:
        raise ValueError(
            f"`scene` must be one of {', '.join(scenes)}. Received: scene={name!r}"
        )
    return scenes[name], checked(scenes[name].fields, values)


def described(scenes: dict[str, Scene]) -> dict[str, Any]:
    """What the page makes its forms from."""
    return {
        "pace": as_json(PACE),
        "scenes": [
            {
                "name": scene.name,
                "title": scene.title,
                "fields": [as_json(field) for field in scene.fields],
            }
            for scene in scenes.values()
        ],
    }
